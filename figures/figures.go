// Package figures draws an analysis: the paper's figures as PNG and SVG, and films as GIF.
package figures

import (
	"os"

	"hnn/analysis"
)

// Write draws every figure of an analysis into a folder (created if needed) and returns the paths of the files. It calls progress
// with each stage that begins. An error names the file that cannot be drawn or written.
func Write(folder string, a *analysis.Analysis, progress func(stage string)) ([]string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	truth := a.Sources[0]
	plane, bodies, images, energies := truth.Plane != nil, a.Task.Bodies > 0, truth.Film != nil, truth.Trials.Energy != nil
	var paths []string
	for _, drawing := range []struct {
		wanted bool
		build  func(*analysis.Analysis) *figure
	}{
		{true, integration},
		{energies && !images, drift},
		{true, losses},
		{plane, fields},
		{plane, hamiltonians},
		{bodies, orbits},
		{a.Task.Excerpt > 0, longOrbits},
		{!plane && !bodies, coordinates},
		{images, filmstrip},
		{energies, trials},
		{true, volumes},
		{a.Energy != nil, changedEnergy},
		{bodies, filmOrbits},
		{images, filmImages},
		{plane, filmVolumes},
		{a.Energy != nil, filmEnergy},
	} {
		if !drawing.wanted {
			continue
		}
		f := drawing.build(a)
		if f.Rows == nil && f.frame == nil {
			continue // nothing that it could show is known
		}
		progress("drawing " + f.name)
		saved, err := f.save(folder)
		if err != nil {
			return paths, err
		}
		paths = append(paths, saved...)
	}
	return paths, nil
}

// Kind is a kind of file that Write makes.
type Kind struct {
	Suffix  string // the end of its name, after the task's name
	Caption string
	Alt     string // what the picture shows, for readers who do not see it
}

// Kinds lists the files in the order of a report. No task has all of them. Of each figure there is an SVG beside the PNG.
var Kinds = []Kind{
	{
		"-field.png",
		"The phase plane (figures 1 and 7): arrows show the direction of each field, the shading its speed, and a path from the same start darkens " +
			"with time. On a closed path the energy is conserved.",
		"Phase planes side by side: the observed states and the true field, then the field and a path of each model.",
	},
	{
		"-latent.png",
		"The latent plane of each model (figure 11a), beside the true phase plane: the test samples, the direction and the speed of the field, " +
			"and a swing, which darkens with time.",
		"Phase planes side by side: the true angle and velocity of the test samples, then the latent states, the field and a swing of each model.",
	},
	{
		"-orbits.png",
		"Trajectories of the bodies and their energies over time (figures 3 and 10). Hollow marks show where the bodies start, full ones where they " +
			"end.",
		"For the truth and each model: the bodies' paths, and below them the kinetic, potential and total energy over time.",
	},
	{
		"-orbits-long.png",
		"The same trajectories, followed four times as long (figure 8).",
		"For the truth and each model: the bodies' paths, and below them the kinetic, potential and total energy over a longer time.",
	},
	{
		"-coordinates.png",
		"Trajectories in the plane of the first two coordinates, which darken with time, and the first three coordinates over time.",
		"The path of the truth and of each model in the plane of two coordinates, and three coordinates of all of them over time.",
	},
	{
		"-filmstrip.png",
		"The frames of a swing, and those decoded from the latent trajectories (figure 4).",
		"Rows of pendulum images at every twentieth frame: the truth, then each model.",
	},
	{
		".gif",
		"The motion as a film: the truth and each model.",
		"A film of the motion, with a panel for the truth and for each model.",
	},
	{
		"-integration.png",
		"One trajectory (figures 2 and 4): the error of the coordinates, a learned Hamiltonian, and the total energy. A level curve means that it is " +
			"conserved.",
		"Curves over time for the truth and each model: the error of the coordinates, a learned Hamiltonian, and the total energy.",
	},
	{
		"-hamiltonian.png",
		"The true energy and each learned Hamiltonian, on one scale (figure 11b). The factor and the constant in a title bring the learned H to that " +
			"scale; they were fitted to the data.",
		"Filled contours of the true energy and of each learned Hamiltonian, with the training data as dots, or the samples of a swing.",
	},
	{
		"-energy-drift.png",
		"How far the energy moves from its initial value: the median of the trials, and a band from quartile to quartile. The second panel enlarges " +
			"the smaller changes.",
		"Change of the energy over time for the truth and each model, as a median with a band, on two scales.",
	},
	{
		"-trials.png",
		"The total energy of each trial (figure 9). The truth is level.",
		"A panel for each trial: the total energy over time of the truth and each model.",
	},
	{
		"-losses.png",
		"Training and test loss of each batch, on a logarithmic scale. A curve of more than 500 steps is thinned to 500 means.",
		"Two panels of curves over the gradient steps: the training loss and the test loss of each model.",
	},
	{
		"-volume.png",
		"What each flow does to a volume of phase space (section 6). By Liouville's theorem, a Hamiltonian field conserves it. For one degree of " +
			"freedom, an area around a start is shown at six times, from faint to dark.",
		"The area that the truth and each model carry along in the phase plane, and its size over time.",
	},
	{
		"-volume.gif",
		"The area that each flow carries along, as a film.",
		"A film of an area in the phase plane of the truth and of each model, beside its size over time.",
	},
	{
		"-add-energy.png",
		"A model adds energy along the gradient of its Hamiltonian, and removes it again (figure 5). Hollow marks show where a path starts, full " +
			"ones where it ends.",
		"The path to the higher energy and the path back, and below them the true energy and the learned Hamiltonian over time.",
	},
	{
		"-add-energy.gif",
		"Energy added and removed again, as a film.",
		"A film of the motion at one energy, at another, and at the first again, beside the energy over time.",
	},
}

// layers returns the sources with known trajectories in drawing order: first the models without a Hamiltonian, then the truth, then the models
// with a Hamiltonian.
func layers(a *analysis.Analysis) []*analysis.Source {
	var below, above []*analysis.Source
	for _, s := range a.Moving() {
		if s.HasHamiltonian || s == a.Sources[0] {
			above = append(above, s)
		} else {
			below = append(below, s)
		}
	}
	return append(below, above...)
}
