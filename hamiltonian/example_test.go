package hamiltonian_test

import (
	"fmt"
	"log"

	"hnn/hamiltonian"
)

// An equation is data: its networks, its terms, and what follows from them. With weights that are zero, nothing moves.
func ExampleModel() {
	config := hamiltonian.Config{Dimension: 2, Hidden: 200, HiddenLayers: 2, Activation: "tanh"}
	for _, model := range hamiltonian.Models {
		e := model.Equation(config)
		fmt.Printf("%s: %d network(s), %d term(s), conserves its Hamiltonian: %t\n", model.Title, len(e.Networks), len(e.Terms), e.Conserves())
	}
	equation := hamiltonian.Default.Equation(config)
	evaluator, err := hamiltonian.Dynamics{Equation: equation, Parameters: equation.Zeros()}.Evaluator(1)
	if err != nil {
		log.Fatal(err)
	}
	defer evaluator.Close()
	energies, err := evaluator.Hamiltonian([][]float64{{1, 0}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("H =", energies[0])
	// Output:
	// Baseline NN: 1 network(s), 1 term(s), conserves its Hamiltonian: false
	// Hamiltonian NN: 1 network(s), 1 term(s), conserves its Hamiltonian: true
	// Dissipative HNN: 2 network(s), 2 term(s), conserves its Hamiltonian: false
	// Port-Hamiltonian NN: 5 network(s), 1 term(s), conserves its Hamiltonian: true
	// H = 0
}
