package datasets

import (
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"hnn/integrator"
	"hnn/internal/numpy"
)

// orbits describes trajectories of unit masses in a plane under their own gravity, G = 1. A state of n bodies is
// (x1..xn, y1..yn, vx1..vxn, vy1..vyn).
type orbits struct {
	bodies       int
	draw         func(*numpy.Random) []float64 // a random start
	count        int                           // trajectories of the dataset
	points       int                           // per trajectory
	duration     float64                       // of a trajectory
	exampleSeed  uint32
	exampleUntil float64
	excerpt      float64 // time up to which the paper's figure 3 shows the example; 0 for none
	trialUntil   float64
}

// task completes a task whose data are those of the orbits.
func (o orbits) task(t Task) Task {
	t.Dimension, t.Bodies, t.Labels = 4*o.bodies, o.bodies, dimensionless
	t.Hamiltonian = func(y []float64) float64 { return kineticEnergy(y) + gravitationalEnergy(y) }
	t.Kinetic, t.Potential, t.Dynamics = kineticEnergy, gravitationalEnergy, gravity
	t.Generate, t.Example, t.Trials, t.Excerpt = generator(o.generate).dataset, o.trajectory, o.trials, o.excerpt
	t.Steps = 10000
	return t
}

// solver returns the published solver. The published code integrates the masses too, which affects the step control.
func (o orbits) solver() integrator.RK45 {
	return integrator.RK45{Relative: 1e-9, Constants: slices.Repeat([]float64{1}, o.bodies)}
}

// generate draws all starts in order and integrates them on all processors. The first 20% of the rows are the test set.
func (o orbits) generate(seed uint32) (train, test exact, err error) {
	random := numpy.NewRandom(seed)
	starts := make([][]float64, o.count)
	for i := range starts {
		starts[i] = o.draw(random)
	}
	times := linspace(0, o.duration, o.points)
	batches := slices.Collect(slices.Chunk(starts, 50))
	parts := make([][][]float64, len(batches))
	err = parallel(len(batches), func(i int) error {
		motion, err := trajectories(gravity, batches[i], times, o.solver())
		parts[i] = slices.Concat(motion.States...)
		return err
	})
	states := slices.Concat(parts...)
	all, split := exact{x: states, dx: derivatives(gravity, states)}, len(states)/5
	return all.slice(split, len(states)), all.slice(0, split), err
}

// parallel calls work for 0 to n−1, on all processors, and returns the first error.
func parallel(n int, work func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error { return work(i) })
	}
	return group.Wait()
}

// trajectory integrates the orbit of the published figures.
func (o orbits) trajectory(Dataset) (Trajectories, error) {
	return trajectories(gravity, [][]float64{o.draw(numpy.NewRandom(o.exampleSeed))}, linspace(0, o.exampleUntil, 2000), o.solver())
}

// trials integrates one orbit for each of the seeds 0 to 14.
func (o orbits) trials(Dataset) (Trajectories, error) {
	starts := make([][]float64, trialCount)
	for seed := range starts {
		starts[seed] = o.draw(numpy.NewRandom(uint32(seed)))
	}
	return trajectories(gravity, starts, linspace(0, o.trialUntil, 500), o.solver())
}

// gravity is Newton's law: each body attracts each other body with the acceleration 1/r².
func gravity(_ float64, y, out []float64) {
	n := len(y) / 4
	copy(out, y[2*n:])
	clear(out[2*n:])
	pairs(y, func(i, j int, dx, dy, r float64) {
		ax, ay := dx/(r*r*r), dy/(r*r*r)
		out[2*n+i], out[3*n+i] = out[2*n+i]+ax, out[3*n+i]+ay
		out[2*n+j], out[3*n+j] = out[2*n+j]-ax, out[3*n+j]-ay
	})
}

// gravitationalEnergy is −Σ 1/r over the pairs of bodies.
func gravitationalEnergy(y []float64) float64 {
	sum := 0.0
	pairs(y, func(_, _ int, _, _, r float64) { sum -= 1 / r })
	return sum
}

// kineticEnergy is ½Σv².
func kineticEnergy(y []float64) float64 {
	sum := 0.0
	for _, v := range y[len(y)/2:] {
		sum += v * v / 2
	}
	return sum
}

// pairs visits each pair of bodies, with the vector from the first to the second and its length.
func pairs(y []float64, visit func(i, j int, dx, dy, r float64)) {
	n := len(y) / 4
	for i := range n {
		for j := i + 1; j < n; j++ {
			dx, dy := y[j]-y[i], y[n+j]-y[n+i]
			visit(i, j, dx, dy, math.Sqrt(dx*dx+dy*dy))
		}
	}
}

// vector is a vector in the plane.
type vector [2]float64

func (v vector) length() float64        { return math.Sqrt(v[0]*v[0] + v[1]*v[1]) }
func (v vector) scale(a float64) vector { return vector{a * v[0], a * v[1]} }
func (v vector) rotate(a float64) vector {
	s, c := math.Sincos(a)
	return vector{c*v[0] - s*v[1], s*v[0] + c*v[1]}
}

// state returns the state with these positions and velocities.
func state(positions, velocities []vector) []float64 {
	var y []float64
	for _, list := range [][]vector{positions, velocities} {
		for axis := range 2 {
			for _, v := range list {
				y = append(y, v[axis])
			}
		}
	}
	return y
}
