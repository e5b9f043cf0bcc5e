package datasets

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat"
)

// The data of seed 0 equal those of gym and the published preprocessing: coordinates to 1e-6, frames to the byte.
func TestImagesEqualThePublishedOnes(t *testing.T) {
	content, err := os.ReadFile("testdata/pixels.json")
	if err != nil {
		t.Fatal(err)
	}
	type coordinates struct {
		Rows, Every int
		Mean, Std   []float64
		Values      [][]float64
	}
	type pixels struct {
		Mean, Std float64
		Every     int
		Values    [][]int
	}
	var want struct {
		Coords, Test_coords              coordinates
		Pixels, Test_pixels, Next_pixels pixels
		Frames_sha256                    string
	}
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	generated, err := Pixel.Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	data := generated.Images
	for _, set := range []struct {
		name    string
		samples []int64
		want    coordinates
	}{{"train", data.Train, want.Coords}, {"test", data.Test, want.Test_coords}} {
		if len(set.samples) != set.want.Rows {
			t.Errorf("%d %s samples, want %d", len(set.samples), set.name, set.want.Rows)
		}
		for axis := range 2 {
			var column []float64
			for _, first := range set.samples {
				column = append(column, data.Coordinates[first+1][axis])
			}
			mean, std := stat.PopMeanStdDev(column, nil)
			if math.Abs(mean-set.want.Mean[axis]) > 1e-9 || math.Abs(std-set.want.Std[axis]) > 1e-9 {
				t.Errorf("%s, axis %d: mean %.12g and deviation %.12g, want %.12g and %.12g", set.name, axis, mean, std, set.want.Mean[axis], set.want.Std[axis])
			}
			for i, row := range set.want.Values {
				if got := column[i*set.want.Every]; math.Abs(got-row[axis]) > 1e-6 {
					t.Fatalf("%s, sample %d, axis %d: got %.10g, want %.10g", set.name, i*set.want.Every, axis, got, row[axis])
				}
			}
		}
	}
	if hash := sha256.Sum256(slices.Concat(data.Frames...)); hex.EncodeToString(hash[:]) != want.Frames_sha256 {
		t.Errorf("the SHA-256 of all frames is %x, want %s", hash, want.Frames_sha256)
	}
	for _, set := range []struct {
		name    string
		samples []int64
		shift   int64
		want    pixels
	}{{"train", data.Train, 0, want.Pixels}, {"test", data.Test, 0, want.Test_pixels}, {"next", data.Train, 1, want.Next_pixels}} {
		sum, square, n := 0, 0, 0
		for i, first := range set.samples {
			image := data.Sample(first + set.shift)
			for _, v := range image {
				shade := int(math.Round(255 * float64(v)))
				sum, square, n = sum+shade, square+shade*shade, n+1
			}
			if i%set.want.Every != 0 || i/set.want.Every >= len(set.want.Values) {
				continue
			}
			for j, v := range set.want.Values[i/set.want.Every] {
				if want := float32(float64(v) / 255); image[j] != want {
					t.Errorf("%s, sample %d, pixel %d: got %g, want %g", set.name, i, j, image[j], want)
				}
			}
		}
		// A single pixel that differs by one level changes these by 1e-9 or more.
		mean := float64(sum) / float64(n)
		std := math.Sqrt(float64(square)/float64(n)-mean*mean) / 255
		mean /= 255
		if math.Abs(mean/set.want.Mean-1) > 1e-12 || math.Abs(std/set.want.Std-1) > 1e-12 {
			t.Errorf("%s: mean %.17g and deviation %.17g of the pixels, want %.17g and %.17g", set.name, mean, std, set.want.Mean, set.want.Std)
		}
	}
}

// For every size of screen and frame, the rod hangs from its pivot at the given angle.
func TestCameraSeesTheRod(t *testing.T) {
	for _, size := range [][2]int{{1000, 28}, {500, 28}, {500, 64}, {1000, 100}} {
		camera, err := NewCamera(size[0], size[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, angle := range []float64{-0.6, -0.2, 0, 0.4} {
			mass, x, y := 0.0, 0.0, 0.0
			for i, v := range camera.Frame(math.Pi + angle) {
				// In units of the world, relative to the pivot at (0.5, (0.5 − 0.44)/0.34) of the frame.
				scale := cropSize * 2 * worldReach / float64(camera.Side)
				mass += float64(v)
				x += float64(v) * (float64(i%camera.Side) + 0.5 - float64(camera.Side)/2) * scale
				y += float64(v) * ((float64(i/camera.Side)+0.5)*scale - (0.5-publishedTop)*2*worldReach)
			}
			// The rod's middle is half its length from the pivot; the axle and the arrow hide a part of it and move that a little.
			if r := math.Hypot(x, y) / mass; math.Abs(r-0.53) > 0.02 {
				t.Errorf("%v, angle %g: the rod's middle is %.3f from the pivot", size, angle, r)
			}
			if got := math.Atan2(x, y); math.Abs(got-angle) > 0.01 {
				t.Errorf("%v: the rod hangs at %.4f, want %g", size, got, angle)
			}
			covered := mass / (rodRed - rodGreen) * math.Pow(cropSize*2*worldReach/float64(camera.Side), 2)
			if area := rodLength*2*rodRadius + math.Pi*rodRadius*rodRadius; covered > area || covered < 0.9*area {
				t.Errorf("%v, angle %g: %.4f of the rod's area %.4f are visible", size, angle, covered, area)
			}
		}
	}
	for _, wrong := range [][2]int{{10, 5}, {1000, 0}, {100, 35}} {
		if _, err := NewCamera(wrong[0], wrong[1]); err == nil {
			t.Errorf("a camera of %v was accepted", wrong)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	camera, err := NewCamera(Screen, Pixel.ImageSide)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		camera.Frame(math.Pi + math.Pi/6*math.Sin(float64(i)/10))
	}
}

// The values are from numpy's RandomState with the key that gym 0.17.3 derives from the seed.
func TestGymSeeds(t *testing.T) {
	for seed, want := range map[uint32]float64{0: 0.05436005625078322, 5: 0.1257176246691768} {
		if got := gymRandom(seed).Float64(); math.Abs(got-want) > 1e-15 {
			t.Errorf("seed %d: the first number is %.17g, want %.17g", seed, got, want)
		}
	}
}
