package fit

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/kernels"
)

// parts is the number of parts of the observations that Friction compares at least, unless a trajectory would be divided into parts of fewer than
// shortestPart rows.
const parts, shortestPart = 8, 20

// Friction returns R of a port-Hamiltonian model with constant friction, n×n, in the units of the observations:
// dpᵢ/dt = −∂H/∂qᵢ − Σ Rᵢⱼ·∂H/∂pⱼ. Rᵢⱼ has the unit of pᵢ/qⱼ. Both results are nil for another friction.
//
// The standard errors tell how much R depends on the choice of observations. Each trajectory, or each part of it if there are few, gives an R of
// its own, with the energy held fixed. The standard error is that of the mean of these R, weighted by the information w in a part. Friction
// changes a momentum in proportion to the momentum and to time, so w is the sum of P² times the square of the duration. With fewer than two
// parts, the standard error is NaN. It leaves out the errors of the energy and of the form of the friction.
func (r *Result) Friction(ctx context.Context, o datasets.Observations) (matrix, standardErrors [][]float64, err error) {
	if r.Record.Friction != hamiltonian.ConstantFriction {
		return nil, nil, nil
	}
	f := &fitter{ctx: ctx, scaling: r.Scaling, seen: o.Seen()}
	a := &attempt{equation: r.Equation, parameters: r.Equation.Zeros(), only: hamiltonian.FrictionPrefix}
	for i, p := range r.Parameters {
		copy(a.parameters[i].Values, p.Values)
	}
	if err := a.open(f.processors()); err != nil {
		return nil, nil, err
	}
	defer a.kernel.Close()
	start := slices.Clone(a.kernel.Vector(kernels.Values))
	var samples [][]float64
	var weights []float64
	for _, part := range cut(o.Trajectories) {
		copy(a.kernel.Vector(kernels.Values), start)
		if err := f.refine(a, newSeries([]datasets.Observed{part}, r.Scaling), longWindow, 40, nil); err != nil {
			return nil, nil, err
		}
		samples, weights = append(samples, r.resistance(a)), append(weights, r.information(part))
	}
	copy(a.kernel.Vector(kernels.Values), start)
	n := o.Positions
	for i, value := range r.resistance(a) {
		if i%n == 0 {
			matrix, standardErrors = append(matrix, nil), append(standardErrors, nil)
		}
		var values []float64
		for _, sample := range samples {
			values = append(values, sample[i])
		}
		matrix[i/n] = append(matrix[i/n], value)
		standardErrors[i/n] = append(standardErrors[i/n], weightedError(values, weights))
	}
	return matrix, standardErrors, nil
}

// weightedError returns the standard error of the weighted mean: the root of k/(k − 1)·Σ w²(v − v̄)²/(Σ w)².
func weightedError(values, weights []float64) float64 {
	k, mean, sum := float64(len(values)), stat.Mean(values, weights), 0.0
	for i, v := range values {
		sum += weights[i] * weights[i] * (v - mean) * (v - mean)
	}
	return math.Sqrt(sum*k/(k-1)) / floats.Sum(weights)
}

// information returns the weight w of a part of the observations in an estimate of friction.
func (r *Result) information(o datasets.Observed) (sum float64) {
	for _, x := range o.States {
		for j := len(x) / 2; j < len(x); j++ {
			p := x[j] / r.Scaling.Scale[j]
			sum += p * p
		}
	}
	duration := o.Times[len(o.Times)-1] - o.Times[0]
	return sum * duration * duration
}

// resistance returns R = LLᵀ from a kernel's parameters, row by row, in the units of the observations.
func (r *Result) resistance(a *attempt) []float64 {
	n := r.Equation.Dimension() / 2
	scale, matrix := r.Scaling.Scale, make([]float64, n*n)
	a.store()
	l := weights(a.equation, a.parameters, hamiltonian.FrictionPrefix)
	for i := range n {
		for j := range n {
			for k := range n {
				matrix[i*n+j] += float64(l[i*n+k]) * float64(l[j*n+k]) * scale[n+i] / scale[j]
			}
		}
	}
	return matrix
}

// cut divides trajectories into parts if they are few.
func cut(trajectories []datasets.Observed) (list []datasets.Observed) {
	for _, t := range trajectories {
		number := max(1, min((parts+len(trajectories)-1)/len(trajectories), len(t.States)/shortestPart))
		for i := range number {
			list = append(list, t.Slice(i*len(t.States)/number, (i+1)*len(t.States)/number))
		}
	}
	return list
}
