package figures

// Kind is a kind of file that Write makes: the end of its name, after the task's name, and its caption.
type Kind struct{ Suffix, Caption string }

// Kinds lists the files in the order of a report. No task has all of them.
var Kinds = []Kind{
	{"-field.png", "The phase plane: the training data, each field, and a trajectory of each from the same start (figures 1 and 7)"},
	{"-latent.png", "The latent planes and their fields beside the true phase plane, with the test samples and a swing (figure 11a)"},
	{"-orbits.png", "Trajectories, and kinetic, potential and total energy over time (figures 3, 8 and 10)"},
	{"-coordinates.png", "Trajectories of the first two coordinates, and the first three over time"},
	{"-filmstrip.png", "The frames of a swing, and those decoded from the latent trajectories (figure 4)"},
	{".gif", "The motion as a film: the truth and each model"},
	{"-integration.png", "One trajectory: the error of the coordinates, a learned Hamiltonian, and the total energy (figures 2 and 4)"},
	{"-hamiltonian.png", "Contours of the true energy and of each learned Hamiltonian (figure 11b)"},
	{"-energy-drift.png", "The distance of the energy from its initial value in each trial"},
	{"-trials.png", "The total energy of each trial (figure 9)"},
	{"-add-energy.png", "Adding energy along the gradient of a learned Hamiltonian, and removing it again (figure 5)"},
	{"-add-energy.gif", "The same as a film"},
	{"-reversibility.png", "Integration forward and back: the distance from the start, and the distance between the two paths (section 6)"},
}
