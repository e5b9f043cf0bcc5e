package nets

import (
	"fmt"
	"sort"
	"strings"

	"github.com/sugarme/gotch/ts"

	"hnn/internal/libtorch"
)

// Activation is an elementwise nonlinearity by its published name.
type Activation string

var activations = map[Activation]func(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor{
	"tanh":     elementwise(func(x *ts.Tensor) (*ts.Tensor, error) { return x.Tanh(false) }),
	"relu":     elementwise(func(x *ts.Tensor) (*ts.Tensor, error) { return x.Relu(false) }),
	"sigmoid":  sigmoid,
	"softplus": elementwise(func(x *ts.Tensor) (*ts.Tensor, error) { return x.Softplus(false) }),
	"selu":     elementwise(func(x *ts.Tensor) (*ts.Tensor, error) { return x.Selu(false) }),
	"elu":      elementwise(func(x *ts.Tensor) (*ts.Tensor, error) { return x.Elu(false) }),
	"swish":    func(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor { return s.Mul(x, sigmoid(s, x)) },
}

var sigmoid = elementwise(func(x *ts.Tensor) (*ts.Tensor, error) { return x.Sigmoid(false) })

func elementwise(f func(x *ts.Tensor) (*ts.Tensor, error)) func(*libtorch.Scope, *ts.Tensor) *ts.Tensor {
	return func(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor { return s.Apply(f, x) }
}

// Activations returns the names there are, in alphabetical order.
func Activations() []string {
	var names []string
	for name := range activations {
		names = append(names, string(name))
	}
	sort.Strings(names)
	return names
}

// Apply returns the activation of x, which Check must have found to exist.
func (a Activation) Apply(s *libtorch.Scope, x *ts.Tensor) *ts.Tensor { return activations[a](s, x) }

// Check returns an error that names the allowed activations unless a is one of them.
func (a Activation) Check() error {
	if _, ok := activations[a]; !ok {
		return fmt.Errorf("there is no nonlinearity %q; there are %s", string(a), strings.Join(Activations(), ", "))
	}
	return nil
}
