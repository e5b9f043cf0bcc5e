package numpy

import "testing"

// The values are from numpy 2.4.6: rand(2), randn(3), rand(1) of RandomState(seed).
func TestStream(t *testing.T) {
	for seed, want := range map[uint32][6]float64{
		0:          {0.5488135039273248, 0.7151893663724195, 0.9787379841057392, 2.240893199201458, 1.8675579901499675, 0.4375872112626925},
		7:          {0.07630828937395717, 0.7799187922401146, 1.690525703800356, -0.4659373705408328, 0.0328201636785844, 0.5011204636599379},
		4294967295: {0.0976320289940138, 0.9123828453026218, 0.6484086742306527, 0.6693235306338161, -1.0805437227474493, 0.9093750727977705},
	} {
		r := NewRandom(seed)
		got := [6]float64{r.Float64(), r.Float64(), r.Normal(), r.Normal(), r.Normal(), r.Float64()}
		for i := range want {
			if diff := got[i] - want[i]; diff > 1e-15 || diff < -1e-15 {
				t.Errorf("seed %d, value %d: got %.17g, want %.17g", seed, i, got[i], want[i])
			}
		}
	}
}

// The values are from numpy 2.4.6: RandomState([low word, high word]).rand(3).
func TestStreamFromAKey(t *testing.T) {
	for key, want := range map[uint64][3]float64{
		1331072711323073585: {0.05436005625078322, 0.9653909372423204, 0.6326909455841033},
		4008908563610459910: {0.1257176246691768, 0.26830545753325263, 0.6485709683687602},
		7:                   {0.32383276483316237, 0.15084917392450192, 0.6509344730398537},
	} {
		r := NewRandomFromKey(key)
		for i := range want {
			if got := r.Float64(); got-want[i] > 1e-15 || want[i]-got > 1e-15 {
				t.Errorf("key %d, value %d: got %.17g, want %.17g", key, i, got, want[i])
			}
		}
	}
}
