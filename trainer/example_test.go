package trainer_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"hnn/datasets"
	"hnn/hamiltonian"
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
	model, settings, err := trainer.LoadModel(datasets.Spring, hamiltonian.Default, settings.Files(folder).Finished)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s after %d steps, %d arrays\n", settings.Label(), settings.TotalSteps, len(model.Parameters))
	// Output:
	// step 0: train loss 0.8073, test loss 0.7765
	// spring-hnn after 20 steps, 5 arrays
}
