package hamiltonian_test

import (
	"fmt"
	"log"

	"hnn/hamiltonian"
	"hnn/nets"
)

// The published model of the measured pendulum, at rest at 1 rad. The fit to the measurements has the acceleration −1.2 sin 1 =
// −1.01 there, and the energy 1.2(1 − cos 1) = 0.55 above the bottom's.
func ExampleModel() {
	model, err := hamiltonian.New(hamiltonian.Config{Dimension: 2, Hidden: 200, Activation: "tanh"})
	if err != nil {
		log.Fatal(err)
	}
	defer model.Free()
	checkpoint, err := nets.ReadCheckpoint("testdata/real-hnn.tar")
	if err != nil {
		log.Fatal(err)
	}
	if err := model.SetState(checkpoint); err != nil {
		log.Fatal(err)
	}
	field, err := model.Field(0)
	if err != nil {
		log.Fatal(err)
	}
	derivative := [][]float64{{0, 0}}
	if err := field(nil, [][]float64{{1, 0}}, derivative); err != nil {
		log.Fatal(err)
	}
	energies, err := model.Hamiltonian([][]float64{{1, 0}, {0, 0}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("acceleration %.1f, energy %.1f\n", derivative[0][1], energies[0]-energies[1])
	// Output: acceleration -1.1, energy 0.6
}
