-- The meter's own tables that 00005 does not name.

-- +goose Up
grant select, insert, update, delete on usage_pending, usage_late, loss_minute to ezscale_meter;
revoke insert, update on usage_pending, usage_late, loss_minute from ezscale_command;

-- +goose Down
-- Forward only.
