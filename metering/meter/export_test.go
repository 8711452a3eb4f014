package meter

import "context"

// PruneOnce is one round of pruning.
func (m *Meter) PruneOnce(ctx context.Context) error { return m.pruner.Once(ctx) }
