// Package wait ends the wait for what cannot be ended itself.
package wait

import "context"

// For returns the error of an operation that takes no context. If ctx ends first, For returns its error, and the operation goes on until the program
// ends.
func For(ctx context.Context, operation func() error) error {
	done := make(chan error, 1)
	go func() { done <- operation() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
