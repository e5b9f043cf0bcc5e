package nets

import "fmt"

// Limits of a network's size. A mistyped number, or a damaged file, must not take all memory.
const (
	MostUnits  = 100_000 // of a layer
	MostLayers = 1_000
)

// mostParameters keeps a model with its optimizer's state below 4 GB.
const mostParameters = 1 << 28

// Check returns an error if there are too many parameters for one model. Their values need not exist yet.
func (p Parameters) Check() error {
	if count := p.Count(); count > mostParameters {
		return fmt.Errorf("the model has %d parameters; at most %d are allowed, so choose fewer or smaller layers", count, mostParameters)
	}
	return nil
}

// Count returns the number of values in all arrays, also if they do not exist yet.
func (p Parameters) Count() (count int64) {
	for _, parameter := range p {
		count += elements(parameter.Shape)
	}
	return count
}

// Allocate gives zeros to the parameters that have no values yet.
func (p Parameters) Allocate() {
	for i, parameter := range p {
		if parameter.Values == nil {
			p[i].Values = make([]float32, elements(parameter.Shape))
		}
	}
}

// elements returns the number of elements of an array whose shape MostUnits bounds.
func elements(shape []int64) int64 {
	count := int64(1)
	for _, length := range shape {
		count *= length
	}
	return count
}
