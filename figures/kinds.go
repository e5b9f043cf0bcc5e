package figures

// Kind is a file that is drawn of a task's analysis: its name after the task's, and what it shows.
type Kind struct{ Suffix, Caption string }

// Kinds lists the files in the order of a report. No task has all of them.
var Kinds = []Kind{
	{"-field.png", "The phase plane: the training data, each field, and a trajectory of each from the same start (figures 1 and 7)"},
	{"-latent.png", "The latent planes and their fields beside the true phase plane, with the test samples and a swing (figure 11a)"},
	{"-orbits.png", "Trajectories, and kinetic, potential and total energy over time (figures 3, 8 and 10)"},
	{"-filmstrip.png", "The frames of a swing, and those decoded from the latent trajectories (figure 4)"},
	{".gif", "The motion as a film: the truth, the baseline, the HNN"},
	{"-integration.png", "One trajectory: the error of the coordinates, what the HNN conserves, and the total energy (figures 2 and 4)"},
	{"-hamiltonian.png", "Contours of the true energy and of what the HNN conserves (figure 11b)"},
	{"-energy-drift.png", "How far the energy moves from the start in each of the trials"},
	{"-trials.png", "The total energy of the trials, one by one (figure 9)"},
	{"-add-energy.png", "Adding energy along the gradient of the learned Hamiltonian, and removing it again (figure 5)"},
	{"-add-energy.gif", "The same as a film"},
	{"-reversibility.png", "Forward and back: how far from the start, and how far the way back is from the way there (section 6)"},
}
