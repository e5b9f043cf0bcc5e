// Command henonheiles writes the motion of a star near the centre of a galaxy (Hénon and Heiles, Astronomical Journal 69, 1964) as a table for
// ./train -data. The table holds 25 trajectories from random starts with energies below 1/8. On stderr the command prints the range of energies and
// how well the integration conserves them.
package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"

	"hnn/integrator"
)

const (
	trajectories = 25
	interval     = 0.3     // time between two rows
	rows         = 201     // of a trajectory
	mostEnergy   = 1.0 / 8 // of a start; from 1/6 on the star can escape
)

// energy is the Hamiltonian of the state (q1, q2, p1, p2).
func energy(s []float64) float64 {
	return (s[2]*s[2]+s[3]*s[3])/2 + (s[0]*s[0]+s[1]*s[1])/2 + s[0]*s[0]*s[1] - s[1]*s[1]*s[1]/3
}

func motion(_ float64, s, out []float64) {
	out[0], out[1] = s[2], s[3]
	out[2], out[3] = -s[0]-2*s[0]*s[1], -s[1]-s[0]*s[0]+s[1]*s[1]
}

func main() {
	if err := write(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "henonheiles:", err)
		os.Exit(1)
	}
}

func write(table, notes io.Writer) error {
	times := make([]float64, rows)
	for i := range times {
		times[i] = float64(i) * interval
	}
	solutions, err := integrator.RK45{Relative: 1e-10, Absolute: 1e-12}.Solve(integrator.Each(motion), starts(), times)
	if err != nil {
		return err
	}
	w := csv.NewWriter(table)
	line := []string{"trajectory", "t", "q1", "q2", "p1", "p2", "dq1", "dq2", "dp1", "dp2"}
	if err := w.Write(line); err != nil {
		return err
	}
	lowest, highest, change := math.Inf(1), math.Inf(-1), 0.0
	derivative := make([]float64, 4)
	for i, solution := range solutions {
		start := energy(solution.States[0])
		lowest, highest = min(lowest, start), max(highest, start)
		for j, state := range solution.States {
			change = max(change, math.Abs(energy(state)-start))
			motion(times[j], state, derivative)
			line = append(line[:0], strconv.Itoa(i+1), strconv.FormatFloat(times[j], 'f', 1, 64))
			for _, v := range append(state, derivative...) {
				line = append(line, strconv.FormatFloat(v, 'g', 10, 64))
			}
			if err := w.Write(line); err != nil {
				return err
			}
		}
	}
	w.Flush()
	fmt.Fprintf(notes, "%d trajectories of %d rows, with energies from %.4f to %.4f, each conserved to %.0e\n", trajectories, rows, lowest, highest, change)
	return w.Error()
}

// starts draws states in the well of the potential.
func starts() [][]float64 {
	random := rand.New(rand.NewPCG(0, 0))
	var list [][]float64
	for len(list) < trajectories {
		s := make([]float64, 4)
		for i := range s {
			s[i] = random.Float64() - 0.5
		}
		if energy(s) < mostEnergy {
			list = append(list, s)
		}
	}
	return list
}
