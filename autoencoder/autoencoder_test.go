package autoencoder

import (
	"math"
	"testing"

	"hnn/hamiltonian"
	"hnn/internal/libtorch"
	"hnn/nets"
)

func published(t *testing.T, name string) *PixelHNN {
	t.Helper()
	checkpoint, err := nets.ReadCheckpoint("testdata/pixel-" + name + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{Pixels: 1568, Latent: hamiltonian.Config{Dimension: 2, Hidden: 200, Activation: "tanh", Baseline: name == "baseline"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	if err := m.SetState(checkpoint); err != nil {
		t.Fatal(err)
	}
	return m
}

// The published models take all keys of the state dict, and their loss is the sum of its three terms, taken apart here by
// pictures that follow themselves.
func TestLossIsTheSumOfItsTerms(t *testing.T) {
	for _, name := range []string{"hnn", "baseline"} {
		m := published(t, name)
		if n := len(m.Parameters()); n != 21 {
			t.Errorf("%s: %d parameters, want the 16 of the autoencoder and 5 of the latent model", name, n)
		}
		rows := make([][]float64, 3)
		for i := range rows {
			rows[i] = make([]float64, 1568)
			for j := range rows[i] {
				rows[i][j] = 0.25 + 0.25*math.Sin(float64(j*(i+1)))
			}
		}
		var s libtorch.Scope
		defer s.Free()
		x := s.Variable(rows)
		got := s.Values(m.Loss(&s, x, x, nil))
		latent, decoded := s.Values(m.Encode(&s, x)), s.Values(m.Decode(&s, m.Encode(&s, x)))
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		states, field := make([][]float64, 3), make([][]float64, 3)
		for i := range states {
			states[i], field[i] = []float64{float64(latent[2*i]), float64(latent[2*i+1])}, make([]float64, 2)
		}
		evaluate, err := m.Field(1)
		if err != nil {
			t.Fatal(err)
		}
		if err := evaluate(nil, states, field); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			// z_next = z: the field should be 0, and so should the velocity.
			want := states[i][1]*states[i][1] + 0.1*(field[i][0]*field[i][0]+field[i][1]*field[i][1])/2
			for j, v := range rows[i] {
				d := float64(decoded[i*1568+j]) - v
				want += d * d / 1568
			}
			if math.Abs(float64(got[i])-want) > 1e-4*want {
				t.Errorf("%s, row %d: the loss is %g, want %g", name, i, got[i], want)
			}
		}
	}
}

func TestStateRoundTrip(t *testing.T) {
	m := published(t, "hnn")
	entries, err := m.State()
	if err != nil {
		t.Fatal(err)
	}
	if first, last := entries[0].Name, entries[20].Name; first != "autoencoder.linear1.weight" || last != "hnn.differentiable_model.linear3.weight" {
		t.Errorf("the state dict goes from %s to %s", first, last)
	}
}
