-- Where the meter's rows lie. Each flush adds to the same rows of three tables, whole pages of them in one transaction, so
-- the new versions find room in their page only when half of it is free: then no index is touched. A full page (usage_hourly)
-- had cost two index entries a row in each flush, and more room in the end. Rows that are there move as they are changed.
--
-- Slots are found by time first. What a flush writes lies side by side in that index; by service first each row fell into
-- a page of its own, one of all pages of the last day. One service's slots are still found by this index: its readers
-- say from when, and Postgres skips from slot to slot.

-- +goose Up
alter table usage_hourly set (fillfactor = 50);
alter table usage_cycle set (fillfactor = 50);
alter table usage_slot set (fillfactor = 50);
alter table usage_slot drop constraint usage_slot_pkey, add primary key (slot, service_id);
drop index usage_slot_slot;

-- +goose Down
-- Forward only.
