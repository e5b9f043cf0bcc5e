package datasets

import (
	"crypto/sha512"
	"encoding/binary"
	"math"
	"strconv"

	"hnn/internal/numpy"
)

// Pixel is the pendulum of gym's Pendulum-v0, seen through a camera (section 5 of the paper). Its state is the angle from hanging and a
// quarter of the angular velocity. Its Hamiltonian was fitted to the motion.
var Pixel = Task{
	Name:        "pixel",
	Aliases:     []string{"pixels"},
	Description: "pendulum seen by a camera, 28×28 pixels: an autoencoder and a latent Hamiltonian",
	Dimension:   2,
	Labels:      Labels{Position: "θ (rad)", Momentum: "θ̇/4 (rad/s)", Time: "frame", Energy: "H"},
	Hamiltonian: func(s []float64) float64 { return s[1]*s[1] + 1.9*(1-math.Cos(s[0])) },
	Fitted:      "fitted pendulum",
	Note: "With the seeds 1 and 2 of 0 to 4, the published training of the HNN ends with a constant H, in closed form and by automatic differentiation: " +
		"the decoded pendulum stands still. A constant keeps its energy, so only the losses and the coordinate MSE show this.",
	Generate: func(seed uint32) (Dataset, error) {
		images, err := pixelSwings.record(seed)
		return Dataset{Images: &images}, err
	},
	ImageSide:   pixelSide,
	Film:        func() (Images, error) { return pixelFilm.record(1) },
	Steps:       10000,
	BatchSize:   200,
	WeightDecay: 1e-5,
	InputNoise:  true,
	Published: publishedModels("pixel", map[string]Scores{
		"baseline": {TrainLoss: 1.7731e-4, TestLoss: 1.7306e-4, EnergyMSE: 9.2748e-3},
		"hnn":      {TrainLoss: 1.8683e-4, TestLoss: 1.8451e-4, EnergyMSE: 1.5315e-4},
	}),
}

// Screen is the number of rows and columns of the screen on which gym draws the pendulum of Pixel.
const Screen = 1000

const pixelSide = 28

// recording describes images of swings from random starts.
type recording struct {
	swings            int
	frames            int     // of each swing; the first one belongs to no sample
	test              int     // the first swings are the test set
	smallest, largest float64 // angle of a start from hanging; both are excluded
}

var (
	pixelSwings = recording{swings: 200, frames: 103, test: 40, largest: math.Pi / 6}
	pixelFilm   = recording{swings: 1, frames: 203, test: 1, smallest: math.Pi / 11, largest: math.Pi / 10}
)

// Swing is the state of gym's pendulum: the angle from upright in rad, and the angular velocity in rad/s.
type Swing struct{ Angle, Velocity float64 }

// Step advances the swing by gym's time step of 1/20 s, with gravity 10, mass 1, length 1 and no torque.
func (s *Swing) Step() {
	const step, fastest = 0.05, 8
	velocity := s.Velocity + -3*10./2*math.Sin(s.Angle+math.Pi)*step
	s.Angle += velocity * step
	s.Velocity = min(fastest, max(-fastest, velocity))
}

// Coordinates returns the angle from hanging, in −π..π, and a quarter of the angular velocity. In these coordinates the motion nearly conserves
// the energy 1.9(1 − cos q) + p².
func (s Swing) Coordinates() []float64 {
	angle := math.Atan2(math.Cos(s.Angle), -math.Sin(s.Angle)) + math.Pi/2
	if angle > math.Pi {
		angle -= 2 * math.Pi
	}
	return []float64{angle, s.Velocity / 4}
}

// gymRandom is the random stream that gym gives a seed: the first eight bytes of the seed's SHA-512 are the key.
func gymRandom(seed uint32) *numpy.Random {
	hash := sha512.Sum512([]byte(strconv.FormatUint(uint64(seed), 10)))
	return numpy.NewRandomFromKey(binary.LittleEndian.Uint64(hash[:8]))
}

// record lets the pendulum swing from the starts of a seed and renders every frame, on all processors.
func (r recording) record(seed uint32) (Images, error) {
	m := Images{Side: pixelSide}
	camera, err := NewCamera(Screen, pixelSide)
	if err != nil {
		return m, err
	}
	random := gymRandom(seed)
	uniform := func(reach float64) float64 { return -reach + 2*reach*random.Float64() }
	var angles []float64
	for swing := range r.swings {
		set := &m.Train
		if swing < r.test {
			set = &m.Test
		}
		for i := 1; i < r.frames-2; i++ { // the successor of a sample ends two frames after the sample's first
			*set = append(*set, int64(swing*r.frames+i))
		}
		var s Swing
		for {
			s = Swing{Angle: uniform(math.Pi), Velocity: uniform(1)}
			if a := math.Abs(s.Coordinates()[0]); a > r.smallest && a < r.largest {
				break
			}
		}
		for range r.frames {
			angles = append(angles, s.Angle)
			s.Step()
			m.Coordinates = append(m.Coordinates, s.Coordinates())
		}
	}
	m.Frames = make([][]byte, len(angles))
	err = parallel(r.swings, func(swing int) error {
		for i := swing * r.frames; i < (swing+1)*r.frames; i++ {
			m.Frames[i] = camera.Frame(angles[i])
		}
		return nil
	})
	return m, err
}
