-- Takes what waits for a cycle that is there by now. $1 meter.
with settled as (
    delete from usage_pending p using cycle c
    where p.meter = $1 and c.service_id = p.service_id and tstzrange(c.starts_at, c.ends_at) @> p.hour
    returning c.id as cycle_id, p.*
)
select cycle_id, service_id, sum(bytes_in_l2)::bigint, sum(bytes_out_l2)::bigint, sum(bytes_in_l3)::bigint, sum(bytes_out_l3)::bigint, sum(packets_in)::bigint, sum(packets_out)::bigint, sum(samples_in)::bigint, sum(samples_out)::bigint from settled group by 1, 2
