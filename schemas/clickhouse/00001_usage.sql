-- What a service's graph is drawn from. Absolute rows: the totals so far of one service and window, never a
-- delta. The row with the highest version wins, so a repeated or late insert changes nothing; read with FINAL.
-- A key never leaves its partition: add `settings do_not_merge_across_partitions_select_final = 1`.
-- Byte counts are scaled estimates, L2 the frame and L3 the IP packet, as in Postgres.

-- +goose Up

-- One row per service and minute that had traffic, from usage.v1; silent minutes have no row. Steps of one
-- minute and more read the totals; the ten-second step unfolds the arrays, which always hold six elements:
--   select addSeconds(start, 10 * (n - 1)) as t, slot_bytes_in_l2[n] as bytes_in
--   from usage_minute final array join [1, 2, 3, 4, 5, 6] as n
--   where service_id = {service:UUID} and start >= {from:DateTime('UTC')} and start < {to:DateTime('UTC')}
-- A rebuild brings back what Postgres' usage_slot (a day) and the topic (90 days) still hold. Steps of an hour and
-- more read Postgres' usage_hourly, which is kept for ever and exact by nature: a year of one service is 8,760
-- neighbouring index entries, and a second copy of them here would only be one more thing to keep equal.
create table if not exists usage_minute (
    service_id        UUID,
    start             DateTime('UTC'),        -- whole minute
    version           UInt64,
    bytes_in_l2       Int64,
    bytes_out_l2      Int64,
    bytes_in_l3       Int64,
    bytes_out_l3      Int64,
    packets_in        Int64,
    packets_out       Int64,
    samples_in        Int64,
    samples_out       Int64,
    slot_bytes_in_l2  Array(Int64),           -- six slots of ten seconds each, zeros where silent
    slot_bytes_out_l2 Array(Int64),
    slot_bytes_in_l3  Array(Int64),
    slot_bytes_out_l3 Array(Int64)
) engine = ReplacingMergeTree(version)
partition by toYYYYMMDD(start)
order by (service_id, start);

-- +goose Down
-- Forward only.
