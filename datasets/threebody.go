package datasets

import (
	"math"

	"hnn/internal/numpy"
)

// ThreeBody is three unit masses that start near the corners of a turning equilateral triangle. Their orbits are chaotic (appendix B of the paper).
var ThreeBody = threeBody.task(Task{
	Name:        "3body",
	Description: "three bodies on near-circular orbits, chaotic",
	BatchSize:   600,
	WeightDecay: 1e-4,
	Published: publishedModels("3body", map[string]Scores{
		"baseline": {TrainLoss: 9.5573e-2, TestLoss: 3.8000e-1, EnergyMSE: 1.0906e2},
		"hnn":      {TrainLoss: 8.0346e-2, TestLoss: 4.8809e-1, EnergyMSE: 4.1926e-2},
	}),
})

var threeBody = orbits{
	bodies: 3,
	draw:   nearCircularTriple,
	count:  5000, points: 20, duration: 5,
	exampleSeed: 0, exampleUntil: 5,
	trialUntil: 3,
}

// nearCircularTriple draws a direction and a radius in [.9, 1.2) for the first body. The others are at 120° from it. The velocities follow the
// published formula for circular orbits; each component is multiplied by a random factor in [.8, 1.2).
func nearCircularTriple(random *numpy.Random) []float64 {
	const smallest, largest, noise, third = 0.9, 1.2, 0.2, 2 * math.Pi / 3
	first := vector{2*random.Float64() - 1, 2*random.Float64() - 1}
	r := random.Float64()*(largest-smallest) + smallest
	first = first.scale(r / first.length())
	cosine := math.Cos(math.Pi / 6)
	speed := math.Sqrt(math.Sin(math.Pi/3)/(2*cosine*cosine)) / math.Pow(r, 1.5)
	velocity := first.rotate(math.Pi / 2).scale(speed)
	var positions, velocities []vector
	for range 3 {
		noisy := velocity
		for axis := range noisy {
			noisy[axis] *= 1 + noise*(2*random.Float64()-1)
		}
		positions, velocities = append(positions, first), append(velocities, noisy)
		first, velocity = first.rotate(third), velocity.rotate(third)
	}
	return state(positions, velocities)
}
