package command

import (
	"context"
	"errors"
	"testing"
)

func TestInterruptible(t *testing.T) {
	want := errors.New("of the computation")
	if err := Interruptible(t.Context(), func() error { return want }); err != want {
		t.Errorf("the error is %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	forever := make(chan error)
	if err := Interruptible(ctx, func() error { stop(); return <-forever }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}
