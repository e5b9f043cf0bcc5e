// Package trainer fits a model to a task's data. It draws random numbers in the order of the published training scripts, so a seed gives the
// same data, initial weights and batches as there. New makes a Trainer from Settings.
package trainer

import (
	"errors"
	"fmt"
	"math"

	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/nets"
)

// Settings determine a run's numbers. The run's files contain them as JSON.
type Settings struct {
	Task         string                `json:"task"`
	Model        string                `json:"model"`
	Seed         uint32                `json:"seed"`
	TotalSteps   int                   `json:"total_steps"` // the last step; the first is 0
	BatchSize    int                   `json:"batch_size"`  // 0 for all rows at every step
	HiddenDim    int                   `json:"hidden_dim"`
	Layers       int                   `json:"layers"` // hidden layers of each network
	LearnRate    float64               `json:"learn_rate"`
	WeightDecay  float64               `json:"weight_decay"`
	Nonlinearity nets.Activation       `json:"nonlinearity"`
	FieldType    hamiltonian.FieldType `json:"field_type"`
	Loss         string                `json:"loss"`                  // a name in LossFunctions
	InputNoise   float64               `json:"input_noise"`           // standard deviation of the noise on the predicted derivatives, or on the latent states
	TestEvery    int                   `json:"test_every"`            // steps between two evaluations of the test loss
	File         string                `json:"data,omitempty"`        // the user's data
	Hash         string                `json:"data_sha256,omitempty"` // SHA-256 of the file, in hexadecimal digits
	Autograd     bool                  `json:"autograd"`              // take gradients by LibTorch's automatic differentiation
}

// publishedPrint is the number of steps between two printed lines of the published scripts. The pixel script evaluates the test loss only at
// these steps.
const publishedPrint = 200

// DefaultSettings returns the settings of the task's published script, with seed 0.
func DefaultSettings(task datasets.Task) Settings {
	testEvery := 1
	if task.ImageSide > 0 {
		testEvery = publishedPrint
	}
	return Settings{
		Task: task.Name, File: task.File, Hash: task.Hash, Model: hamiltonian.Default.Name, Loss: Derivatives.Name,
		TotalSteps: task.Steps, BatchSize: task.BatchSize, TestEvery: testEvery, LearnRate: 1e-3, WeightDecay: task.WeightDecay,
		HiddenDim: 200, Layers: 2, Nonlinearity: "tanh", FieldType: hamiltonian.Solenoidal,
	}
}

// mostSteps bounds the memory of the losses.
const mostSteps = 1_000_000_000

// Check returns an error that names an invalid setting and its valid values.
func (s Settings) Check() error {
	_, modelError := hamiltonian.Find(s.Model)
	_, lossError := FindLoss(s.Loss)
	if err := errors.Join(modelError, lossError, s.Nonlinearity.Check(), s.FieldType.Check()); err != nil {
		return err
	}
	switch {
	case s.TotalSteps < 0 || s.TotalSteps > mostSteps:
		return fmt.Errorf("total steps are %d; they must be from 0 to %d", s.TotalSteps, mostSteps)
	case s.BatchSize < 0:
		return fmt.Errorf("the batch size is %d; it must be 1 or more, or 0 for all rows", s.BatchSize)
	case s.TestEvery < 1:
		return fmt.Errorf("the test loss is evaluated every %d steps; it must be 1 or more", s.TestEvery)
	case s.HiddenDim < 1 || s.HiddenDim > nets.MostUnits:
		return fmt.Errorf("the hidden dimension is %d; it must be from 1 to %d", s.HiddenDim, nets.MostUnits)
	case s.Layers < 1 || s.Layers > nets.MostLayers:
		return fmt.Errorf("there are %d hidden layers; there must be from 1 to %d", s.Layers, nets.MostLayers)
	case !(s.LearnRate > 0) || math.IsInf(s.LearnRate, 0):
		return fmt.Errorf("the learning rate is %g; it must be a positive number", s.LearnRate)
	case !(s.WeightDecay >= 0) || math.IsInf(s.WeightDecay, 0):
		return fmt.Errorf("the weight decay is %g; it must be 0 or more", s.WeightDecay)
	case !(s.InputNoise >= 0) || math.IsInf(s.InputNoise, 0):
		return fmt.Errorf("the input noise is %g; it must be 0 or more", s.InputNoise)
	}
	return nil
}

// Label names the files of a run as the published scripts do, for example spring-hnn and real-rk4-hnn.
func (s Settings) Label() string {
	if s.Loss != Derivatives.Name {
		return s.Task + "-" + s.Loss + "-" + s.Model
	}
	return s.Task + "-" + s.Model
}

// Data makes the dataset of a run.
func (s Settings) Data(task datasets.Task) (datasets.Dataset, error) {
	loss, err := FindLoss(s.Loss)
	switch {
	case err != nil:
		return datasets.Dataset{}, err
	case loss.Increments && task.Increments == nil:
		return datasets.Dataset{}, fmt.Errorf("the task %s has no mean derivatives over a time step, which the loss %s needs", task.Name, loss.Name)
	case loss.Increments && loss.Mean:
		return task.Increments(s.Seed)
	default:
		return task.Generate(s.Seed)
	}
}
