package autoencoder_test

import (
	"fmt"
	"log"
	"strings"

	"hnn/autoencoder"
	"hnn/hamiltonian"
)

// The model of two frames of 28×28 pixels with a latent position and velocity, and the names in its checkpoint.
func ExampleNew() {
	model, err := autoencoder.New(autoencoder.Config{
		Pixels: 2 * 28 * 28,
		Latent: hamiltonian.Config{Dimension: 2, Hidden: 200, Activation: "tanh"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Free()
	state, err := model.State()
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range state {
		if strings.HasSuffix(entry.Name, ".weight") {
			fmt.Println(entry.Name, entry.Shape)
		}
	}
	// Output:
	// autoencoder.linear1.weight [200 1568]
	// autoencoder.linear2.weight [200 200]
	// autoencoder.linear3.weight [200 200]
	// autoencoder.linear4.weight [2 200]
	// autoencoder.linear5.weight [200 2]
	// autoencoder.linear6.weight [200 200]
	// autoencoder.linear7.weight [200 200]
	// autoencoder.linear8.weight [1568 200]
	// hnn.differentiable_model.linear1.weight [200 2]
	// hnn.differentiable_model.linear2.weight [200 200]
	// hnn.differentiable_model.linear3.weight [2 200]
}
