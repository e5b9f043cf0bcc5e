package datasets

import (
	_ "embed"
	"fmt"
	"math"
	"strings"

	"hnn/integrator"
	"hnn/internal/tables"
)

// Real is a pendulum measured by Schmidt and Lipson ("Distilling Free-Form Natural Laws from Experimental Data", Science 324, 2009, supplementary
// data): 556 rows of trial, time in s, angle in rad and angular velocity in rad/s. H = 2.4(1 − cos q) + p² was fitted to them (section 3.3 of the
// paper). Its derivatives are forward differences between rows, which are already mean derivatives. Increments leaves out the ten rows before
// gaps of 1/3 s or 1/2 s; all other rows are 1/6 s apart.
var Real = Task{
	Name:        "real",
	Description: "real pendulum, measured by Schmidt and Lipson (2009)",
	Dimension:   2,
	Labels:      Labels{Position: "θ (rad)", Momentum: "ω (rad/s)", Time: "t (s)", Energy: "H (rad²/s²)"},
	Note: "The published derivatives are forward differences, which lag by half a step. That is a friction of 0.22/s, about 20 times the true one, " +
		"and the baseline learns it.",
	Hamiltonian: fittedEnergy,
	Dynamics:    func(_ float64, y, out []float64) { out[0], out[1] = y[1], -1.2*math.Sin(y[0]) }, // H is twice the energy
	Fitted:      "fitted pendulum",
	Generate:    embedded(0).dataset,
	Increments:  embedded(realStep).dataset,
	Parse: func(name, content string, increments bool) (Dataset, error) {
		spacing := 0.
		if increments {
			spacing = realStep
		}
		return measuredBy(name, content, spacing).dataset(0)
	},
	Example:     measured,
	Trials:      measured,
	Notebook:    measuredNotebook,
	Steps:       2000,
	WeightDecay: 1e-5,
	TimeStep:    realStep,
	Published: publishedModels("real", map[string]Scores{
		"baseline": {TrainLoss: 2.7455e-3, TestLoss: 2.1864e-3, NotebookEnergyMSE: 3.8564e-1},
		"hnn":      {TrainLoss: 9.2376e-3, TestLoss: 5.9584e-3, NotebookEnergyMSE: 1.4477e-2},
	}),
}

func fittedEnergy(s []float64) float64 { return s[1]*s[1] + 2.4*(1-math.Cos(s[0])) }

//go:embed real_pend_h_1.txt
var measurements string

// realStep is the time between two measurements in s.
const realStep = 1. / 6

func embedded(spacing float64) generator {
	return measuredBy("the embedded measurements", measurements, spacing)
}

func measuredBy(name, content string, spacing float64) generator {
	return func(uint32) (train, test exact, err error) { return readMeasurements(name, content, spacing) }
}

// measured returns the test set as a trajectory. The tolerance for models is that of the paper's text.
func measured(data Dataset) (Trajectories, error) {
	return Trajectories{
		Times: data.Test.elapsed(), States: [][][]float64{data.Test.X.Float64(0)}, Solver: integrator.RK45{Relative: 1e-9},
	}, nil
}

// measuredNotebook returns the test set as a trial with scipy's default tolerances, which the notebook takes.
func measuredNotebook(data Dataset) (Protocol, error) {
	trial, err := measured(data)
	trial.Solver = integrator.RK45{}
	return Protocol{[]Trajectories{trial}, fittedEnergy}, err
}

// readMeasurements reads rows of trial, t, θ and ω; lines that begin with % are comments. The derivatives are forward differences, which are the
// mean derivatives up to the next row. The test set is the last 20% of the rows in the published rounding. If the spacing is not 0, both sets
// keep only the rows whose successor follows after that time.
func readMeasurements(name, content string, spacing float64) (train, test exact, err error) {
	var all exact
	line := 0
	for text := range strings.SplitSeq(content, "\n") {
		line++
		fields := strings.Fields(text)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "%") {
			continue
		}
		if len(fields) != 4 {
			return train, test, fmt.Errorf("%s, line %d: %d columns; 4 are needed: trial, time, angle, angular velocity", name, line, len(fields))
		}
		row := make([]float64, 4)
		for j, field := range fields {
			if row[j], err = tables.ParseNumber(field); err != nil {
				return train, test, fmt.Errorf("%s, line %d, column %d: %w", name, line, j+1, err)
			}
		}
		if err := all.appendTime(row[1]); err != nil {
			return train, test, fmt.Errorf("%s, line %d: %w", name, line, err)
		}
		all.x = append(all.x, row[2:])
	}
	n := len(all.x) - 1
	// The published split truncates 0.8·n, and 0.2·n with 1 − 0.8 rounded to 0.19999999999999996. Rows past both join the training set.
	fraction := 0.8
	start := int(float64(n) * fraction)
	end := start + int(float64(n)*(1-fraction))
	if start < 1 || end == start {
		return train, test, fmt.Errorf("%s: %d rows are too few for a training and a test set; at least 8 are needed", name, len(all.x))
	}
	for i := range n {
		dt := all.times[i+1] - all.times[i]
		if spacing != 0 && math.Abs(dt-spacing) > 1e-3 {
			continue
		}
		set := &train
		if i >= start && i < end {
			set = &test
		}
		slopes := meanDerivative(all.x[i], all.x[i+1], dt)
		if err := checkSlopes(slopes); err != nil {
			return train, test, fmt.Errorf("%s, time %g: %w", name, all.times[i], err)
		}
		set.x, set.times, set.dx = append(set.x, all.x[i]), append(set.times, all.times[i]), append(set.dx, slopes)
	}
	return train, test, nil
}
