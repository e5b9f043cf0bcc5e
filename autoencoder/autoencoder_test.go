package autoencoder

import (
	"maps"
	"math"
	"strings"
	"testing"

	"hnn/nets"
)

// layer is y = σ(Wx + b) in plain Go, with x added where it is residual.
func layer(l nets.Layer, weight, bias []float32, x []float64) []float64 {
	y := make([]float64, l.Outputs)
	for i := range y {
		y[i] = float64(bias[i])
		for j, v := range x {
			y[i] += float64(weight[i*l.Inputs+j]) * v
		}
		if l.Activation == "relu" {
			y[i] = max(0, y[i])
		}
		if l.Residual {
			y[i] += x[i]
		}
	}
	return y
}

// The published autoencoders take all keys of the state dict but the latent model's, and encode and decode as their equations say.
func TestCoderOfThePublishedModels(t *testing.T) {
	for _, name := range []string{"hnn", "baseline"} {
		checkpoint, err := nets.ReadCheckpoint("testdata/pixel-" + name + ".tar")
		if err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(checkpoint.Entries, func(name string, _ nets.Entry) bool { return strings.HasPrefix(name, LatentPrefix) })
		a := New(1568, 200, 2)
		var parameters nets.Parameters
		for _, n := range a.Networks() {
			parameters = append(parameters, n.Zeros()...)
		}
		if err := parameters.Load(checkpoint); err != nil {
			t.Fatal(err)
		}
		if first, last := parameters[0].Name, parameters[15].Name; first != "autoencoder.linear1.weight" || last != "autoencoder.linear8.bias" {
			t.Errorf("the parameters go from %s to %s", first, last)
		}
		c, err := a.Coder(parameters, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		image := make([]float32, 1568)
		x := make([]float64, 1568)
		for i := range image {
			image[i] = float32(0.25 + 0.25*math.Sin(float64(i)))
			x[i] = float64(image[i])
		}
		latent, err := c.Encode([][]float32{image})
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := c.Decode(latent)
		if err != nil {
			t.Fatal(err)
		}
		parameters.EachLayer(a.Networks(), func(network, number int, weight, bias []float32) {
			x = layer(a.Networks()[network].Layers[number], weight, bias, x)
			if network == 0 && number == 3 {
				near(t, name+": encoded", latent[0], x)
			}
		})
		got := make([]float64, len(decoded[0]))
		for i, v := range decoded[0] {
			got[i] = float64(v)
		}
		near(t, name+": decoded", got, x)
		if _, err := c.Encode([][]float32{image[:5]}); err == nil || !strings.Contains(err.Error(), "takes 1568") {
			t.Errorf("an image of 5 pixels gave the error %v", err)
		}
	}
}

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 1e-5*max(1, math.Abs(want[i]))) {
			t.Errorf("%s[%d] is %g, want %g", what, i, got[i], want[i])
		}
	}
}
