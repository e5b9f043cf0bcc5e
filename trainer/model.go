package trainer

import (
	"errors"
	"fmt"

	"hnn/autoencoder"
	"hnn/datasets"
	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/nets"
)

// Model is an equation with its parameters and, for images, an autoencoder.
type Model struct {
	Equation    hamiltonian.Equation
	Autoencoder *autoencoder.Autoencoder // nil where states are observed
	Parameters  nets.Parameters          // of the autoencoder, then of the equation, in PyTorch's order
}

// newModel returns the model of the settings. Its parameters have names and shapes, and no values yet.
func newModel(task datasets.Task, s Settings) (*Model, error) {
	kind, err := hamiltonian.Find(s.Model)
	if err != nil {
		return nil, err
	}
	m := &Model{Equation: kind.Equation(hamiltonian.Config{
		Dimension: task.Dimension, Hidden: s.HiddenDim, HiddenLayers: s.Layers, Activation: s.Nonlinearity, FieldType: s.FieldType,
	})}
	if err := m.Equation.Check(); err != nil {
		return nil, err
	}
	if task.ImageSide > 0 {
		coder := autoencoder.New(2*task.ImageSide*task.ImageSide, s.HiddenDim, task.Dimension)
		m.Autoencoder = &coder
		for i := range m.Equation.Networks {
			m.Equation.Networks[i].Prefix = autoencoder.LatentPrefix + m.Equation.Networks[i].Prefix
		}
	}
	for _, n := range m.networks() {
		m.Parameters = append(m.Parameters, n.Shapes()...)
	}
	return m, m.Parameters.Check()
}

// coders returns the encoder and the decoder, or nil without an autoencoder.
func (m *Model) coders() []nets.Network {
	if m.Autoencoder == nil {
		return nil
	}
	return m.Autoencoder.Networks()
}

// networks returns the model's networks in the order of their parameters.
func (m *Model) networks() []nets.Network { return append(m.coders(), m.Equation.Networks...) }

// coderParameters returns the number of arrays in Parameters that belong to the autoencoder.
func (m *Model) coderParameters() int {
	count := 0
	for _, n := range m.coders() {
		count += len(n.Shapes())
	}
	return count
}

// Dynamics returns the model of dx/dt or, for images, of the latent state's change per frame. It shares the memory of Parameters.
func (m *Model) Dynamics() hamiltonian.Dynamics {
	return hamiltonian.Dynamics{Equation: m.Equation, Parameters: m.Parameters[m.coderParameters():]}
}

// Coder returns the encoder and decoder of a model of images on a number of threads, 0 for all processors. The caller closes it.
func (m *Model) Coder(threads int) (*autoencoder.Coder, error) {
	if m.Autoencoder == nil {
		return nil, errors.New("trainer: this model observes states and has no autoencoder")
	}
	return m.Autoencoder.Coder(m.Parameters[:m.coderParameters()], threads)
}

// init draws the initial parameters in the published order: first the autoencoder as one module, then each network of the equation.
func (m *Model) init(g *libtorch.Generator) error {
	networks := m.networks()
	modules := make([][]libtorch.Layer, len(networks))
	m.Parameters.EachLayer(networks, func(network, layer int, weight, bias []float32) {
		if start := networks[network].Start; start != nil && start[layer] != nil {
			copy(weight, start[layer])
			return
		}
		l := networks[network].Layers[layer]
		if network < len(m.coders()) {
			network = 0
		}
		modules[network] = append(modules[network], libtorch.Layer{Inputs: l.Inputs, Outputs: l.Outputs, Weight: weight, Bias: bias})
	})
	for _, layers := range modules {
		if err := g.InitLayers(layers); err != nil {
			return err
		}
	}
	return nil
}

// LoadModel reads a model from a checkpoint and returns it with the settings of its run. A state dict from PyTorch contains no settings.
// LoadModel then assumes the published settings, with HiddenDim from the shape of the first bias. It returns an error if the run learned from
// other data than the task has.
func LoadModel(task datasets.Task, kind hamiltonian.Model, path string) (*Model, Settings, error) {
	settings := DefaultSettings(task)
	settings.Model = kind.Name
	checkpoint, err := nets.ReadCheckpoint(path, nets.SettingsFile)
	if err != nil {
		return nil, settings, err
	}
	m, settings, err := modelOf(task, settings, checkpoint)
	if err != nil {
		return nil, settings, fmt.Errorf("%s: %w", path, err)
	}
	return m, settings, nil
}

func modelOf(task datasets.Task, wanted Settings, checkpoint nets.Checkpoint) (*Model, Settings, error) {
	settings := wanted
	if checkpoint.Attachments[nets.SettingsFile] == nil {
		if m, err := newModel(task, settings); err == nil {
			if bias := checkpoint.Entries[m.Parameters[1].Name]; len(bias.Shape) == 1 {
				settings.HiddenDim = int(bias.Shape[0])
			}
		}
	} else {
		saved, err := readState(checkpoint)
		if err != nil {
			return nil, wanted, err
		}
		settings = saved.Settings
		switch {
		case settings.Task != wanted.Task || settings.Model != wanted.Model:
			return nil, wanted, fmt.Errorf("it is the checkpoint of a %q, and a %s is needed here", settings.Label(), wanted.Label())
		case settings.Hash != wanted.Hash:
			return nil, wanted, fmt.Errorf("the model learned from other data (%q) than are given; -data names the file", settings.File)
		}
	}
	m, err := newModel(task, settings)
	if err == nil {
		err = m.Parameters.Load(checkpoint)
	}
	if err != nil {
		return nil, wanted, fmt.Errorf("it is no checkpoint of a %s: %w", wanted.Label(), err)
	}
	return m, settings, nil
}
