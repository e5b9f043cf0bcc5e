package trainer_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"hnn/datasets"
	"hnn/trainer"
)

// The first steps of the published run of the mass on a spring, and its files.
func ExampleTrainer() {
	settings := trainer.DefaultSettings(datasets.Spring)
	settings.TotalSteps = 20
	t, err := trainer.New(datasets.Spring, settings, trainer.Execution{})
	if err != nil {
		log.Fatal(err)
	}
	defer t.Free()
	if err := t.Run(context.Background(), func(step int, train, test float32) {
		if step == 0 {
			fmt.Printf("step 0: train loss %.4f, test loss %.4f\n", train, test)
		}
	}); err != nil {
		log.Fatal(err)
	}
	final, err := t.Final()
	if err != nil {
		log.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "trainer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := t.Save(folder, &final); err != nil {
		log.Fatal(err)
	}
	model, settings, err := trainer.LoadModel(datasets.Spring, false, settings.FilesIn(folder).Checkpoint)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Free()
	fmt.Printf("%s after %d steps\n", settings.Label(), settings.TotalSteps)
	// Output:
	// step 0: train loss 0.8073, test loss 0.7765
	// spring-hnn after 20 steps
}
