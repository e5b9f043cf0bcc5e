package figures

// Kind is a file that is drawn of a task's analysis: its name after the task's, and what it shows.
type Kind struct{ Suffix, Caption string }

// Kinds lists the files in the order of a report. Not every task has each.
var Kinds = []Kind{
	{"-field.png", "The phase plane: training data, the field, and a trajectory of each source"},
	{"-orbits.png", "Trajectories, and kinetic, potential and total energy"},
	{".gif", "A film of the motion"},
}
