package extending

import (
	"math"

	"hnn/trainer"
)

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter, 2019): each step also multiplies the parameters by 1 − LearnRate·Decay.
type AdamW struct{ LearnRate, Decay float64 }

// State implements trainer.Optimizer: the running means of the gradient and of its square.
func (AdamW) State() []string { return []string{"adamw.mean", "adamw.square"} }

// Step implements trainer.Optimizer.
func (a AdamW) Step(n int, p *trainer.Parameters) error {
	parts, err := p.Vectors()
	if err != nil {
		return err
	}
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	rate := a.LearnRate / (1 - math.Pow(beta1, float64(n)))
	correction := 1 - math.Pow(beta2, float64(n))
	for _, part := range parts {
		mean, square := part.State[0], part.State[1]
		for i, g := range part.Gradient {
			mean[i] = beta1*mean[i] + (1-beta1)*g
			square[i] = beta2*square[i] + (1-beta2)*g*g
			part.Values[i] *= float32(1 - a.LearnRate*a.Decay)
			part.Values[i] -= float32(rate * float64(mean[i]) / (math.Sqrt(float64(square[i])/correction) + epsilon))
		}
	}
	return nil
}
