package hamiltonian

import (
	"slices"

	"hnn/integrator"
	"hnn/internal/kernels"
)

// Divergence returns Σ ∂(dxⱼ/dt)/∂xⱼ at each state of x, in 1/time: the rate at which the field expands a volume of phase space. It is 0 for J·∇H,
// and friction makes it negative where H is convex in the momenta. Central differences in float64 leave an error of about 1e-10 times the rates of
// the field. The states and e.Columns must fit the equation, or the error says how they do not.
func (e *Evaluator) Divergence(x [][]float64) ([]float64, error) {
	const step = 1e-5 // in units of the scaling; the errors by rounding and by curvature are then about equal
	if err := e.flatten(x); err != nil {
		return nil, err // flatten is called only for its checks
	}
	if e.double == nil {
		var err error
		if e.double, err = e.doubleKernel(); err != nil {
			return nil, err
		}
	}
	n, width := e.Equation.Dimension(), e.Equation.Width()
	scaled, columns := make([][]float64, len(x)), make([][]float64, len(x))
	for i, state := range x {
		row := make([]float64, 0, width)
		for j, v := range state {
			row = append(row, (v-e.Scaling.Center[j])/e.Scaling.Scale[j])
		}
		scaled[i] = row
		for j := range e.Equation.Columns {
			columns[i] = append(columns[i], e.Columns[i%len(e.Columns)][j]/e.Scaling.Columns[j])
		}
	}
	field := func(_ []float64, near, out [][]float64) error {
		var rows []float64
		for i, state := range near {
			rows = append(append(rows, state...), columns[i/(2*n)]...)
		}
		rates := make([]float64, len(near)*n)
		err := e.double.Field(rows, rates, len(near))
		for i := range out {
			copy(out[i], rates[i*n:])
		}
		return err
	}
	divergence, err := integrator.Divergence(field, scaled, slices.Repeat([]float64{step}, n))
	for i := range divergence {
		divergence[i] /= e.Scaling.Time // the scales of a component and of its rate cancel
	}
	return divergence, err
}

// doubleKernel returns the kernel of the field in float64.
func (e *Evaluator) doubleKernel() (*kernels.Model[float64], error) {
	config := e.Equation.kernel()
	config.Threads = e.threads
	m, err := kernels.New[float64](config)
	if err != nil {
		return nil, err
	}
	e.Parameters.EachLayer(e.Equation.Networks, func(network, layer int, weight, bias []float32) {
		m.Load(kernels.Values, network, layer, double(weight), double(bias))
	})
	return m, nil
}

func double(values []float32) []float64 {
	list := make([]float64, len(values))
	for i, v := range values {
		list[i] = float64(v)
	}
	return list
}
