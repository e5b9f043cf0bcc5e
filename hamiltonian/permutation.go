package hamiltonian

// CanonicalPermutation returns M = [[0, I], [−I, 0]] of size n×n, so that (dq/dt, dp/dt) = (∂H/∂x)·Mᵀ = (∂H/∂p, −∂H/∂q).
func CanonicalPermutation(n int) [][]float32 {
	m := square(n)
	for i := range n / 2 {
		m[i][n/2+i] = 1
		m[n/2+i][i] = -1
	}
	return m
}

// LeviCivitaPermutation returns the antisymmetric tensor that the published code offers for coordinates that are not
// canonical: above the diagonal (−1)^(i+j+1), below it the negative, zero on it.
func LeviCivitaPermutation(n int) [][]float32 {
	m := square(n)
	for i := range n {
		for j := i + 1; j < n; j++ {
			m[i][j] = float32(2*((i+j)%2) - 1)
			m[j][i] = -m[i][j]
		}
	}
	return m
}

func identity(n int) [][]float32 {
	m := square(n)
	for i := range n {
		m[i][i] = 1
	}
	return m
}

func square(n int) [][]float32 {
	m := make([][]float32, n)
	for i := range m {
		m[i] = make([]float32, n)
	}
	return m
}
