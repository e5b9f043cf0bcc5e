package datasets

import (
	"math"

	"hnn/internal/numpy"
)

// TwoBody is two unit masses on nearly circular orbits about their centre (section 4 of the paper).
var TwoBody = twoBody.task(Task{
	Name:        "2body",
	Description: "two bodies on near-circular orbits",
	BatchSize:   200,
	InputNoise:  true,
	Published: publishedModels("2body", map[string]Scores{
		"baseline": {TrainLoss: 3.2682e-5, TestLoss: 2.9575e-5, EnergyMSE: 6.3276e-2},
		"hnn":      {TrainLoss: 2.9959e-6, TestLoss: 2.8218e-6, EnergyMSE: 3.8751e-5},
	}),
})

var twoBody = orbits{
	bodies: 2,
	draw:   nearCircularPair,
	count:  1000, points: 50, duration: 20,
	exampleSeed: 2, exampleUntil: 50, excerpt: 12.5,
	trialUntil: 25,
}

// nearCircularPair draws the first body at (x, y), each coordinate in [.5, 1.5). It moves in the direction (−y, x) with the speed 1/(2√r) of a
// circular orbit times a normal factor of mean 1 and standard deviation .05. The second body is opposite.
func nearCircularPair(random *numpy.Random) []float64 {
	const smallest, largest, noise = 0.5, 1.5, 0.05
	position := vector{random.Float64()*(largest-smallest) + smallest, random.Float64()*(largest-smallest) + smallest}
	r := position.length()
	factor := (1 + noise*random.Normal()) / (2 * math.Pow(r, 1.5))
	velocity := vector{-position[1], position[0]}.scale(factor)
	return state([]vector{position, position.scale(-1)}, []vector{velocity, velocity.scale(-1)})
}
