package datasets_test

import (
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"hnn/datasets"
)

func ExampleFind() {
	task, err := datasets.Find("spring")
	if err != nil {
		log.Fatal(err)
	}
	data, err := task.Generate(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n%d training rows, %d test rows\n", task.Description, data.Train.X.Rows(), data.Test.X.Rows())
	fmt.Printf("H(1, 2) = %g\n", task.Hamiltonian([]float64{1, 2}))
	// Output:
	// ideal mass-spring system, H = q² + p², noisy
	// 750 training rows, 750 test rows
	// H(1, 2) = 5
}

// A pendulum starts from rest at 0.5, 1 and 2 rad. The last trajectory is the test set.
func ExampleFromHamiltonian() {
	pendulum := func(q, p []float64) float64 { return p[0]*p[0]/2 + 1 - math.Cos(q[0]) }
	task, err := datasets.FromHamiltonian("pendulum", pendulum, [][]float64{{0.5, 0}, {1, 0}, {2, 0}}, []float64{0, 0.5, 1, 1.5, 2})
	if err != nil {
		log.Fatal(err)
	}
	data, err := task.Generate(0)
	if err != nil {
		log.Fatal(err)
	}
	states := data.Test.X.Float64(0)
	end := states[len(states)-1]
	fmt.Printf("%d training rows, %d test rows\n", data.Train.X.Rows(), data.Test.X.Rows())
	fmt.Printf("1 − cos 2 = %.6f, and after two seconds H = %.6f\n", 1-math.Cos(2), task.Hamiltonian(end))
	// Output:
	// 10 training rows, 5 test rows
	// 1 − cos 2 = 1.416147, and after two seconds H = 1.416147
}

// Two stones fall from rest and are measured at uneven times. Parabolas give the exact derivatives.
func ExampleFromTable() {
	folder, err := os.MkdirTemp("", "datasets")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	content := "trajectory,t [s],q [m],p [kg m/s]\n"
	for _, t := range []float64{0, 1, 3, 4, 5} {
		content += fmt.Sprintf("light,%g,%g,%g\n", t, -5*t*t, -10*t)
		content += fmt.Sprintf("heavy,%g,%g,%g\n", t, -5*t*t, -20*t)
	}
	path := filepath.Join(folder, "fall.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		log.Fatal(err)
	}
	task, err := datasets.FromTable(path)
	if err != nil {
		log.Fatal(err)
	}
	data, err := task.Generate(0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, dimension %d, %s, %d and %d rows\n", task.Name, task.Dimension, task.Labels.Position, data.Train.X.Rows(), data.Test.X.Rows())
	fmt.Printf("at %.0f the derivative is %.0f\n", data.Train.X.Row(2), data.Train.DX.Row(2))
	// Output:
	// fall, dimension 2, q [m], 5 and 5 rows
	// at [-45 -30] the derivative is [-30 -10]
}
