-- Takes at most $2 corrections that wait, the oldest first, at time $1, into the hourly counters. They are in no slot, so they
-- are late; what no cycle covers waits for one with meter $3. Gives what is to be added to cycles, and how many were taken.
with taken as (
    update usage_correction set applied_at = $1
    where id in (select id from usage_correction where applied_at is null order by created_at, id limit $2 for update)
    returning *
), hourly as (
    insert into usage_hourly as u (service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
    select service_id, exporter_id, hour, sum(bytes_in_l2), sum(bytes_out_l2), sum(bytes_in_l3), sum(bytes_out_l3), sum(packets_in), sum(packets_out), sum(samples_in), sum(samples_out)
    from taken group by 1, 2, 3 order by 1, 3, 2
    on conflict (service_id, hour, exporter_id) do update set
        bytes_in_l2 = bounded_sum(u.bytes_in_l2, excluded.bytes_in_l2), bytes_out_l2 = bounded_sum(u.bytes_out_l2, excluded.bytes_out_l2),
        bytes_in_l3 = bounded_sum(u.bytes_in_l3, excluded.bytes_in_l3), bytes_out_l3 = bounded_sum(u.bytes_out_l3, excluded.bytes_out_l3),
        packets_in = bounded_sum(u.packets_in, excluded.packets_in), packets_out = bounded_sum(u.packets_out, excluded.packets_out),
        samples_in = bounded_sum(u.samples_in, excluded.samples_in), samples_out = bounded_sum(u.samples_out, excluded.samples_out)
), hours as (
    select service_id, hour, sum(bytes_in_l2)::bigint as bytes_in_l2, sum(bytes_out_l2)::bigint as bytes_out_l2,
        sum(bytes_in_l3)::bigint as bytes_in_l3, sum(bytes_out_l3)::bigint as bytes_out_l3, sum(packets_in)::bigint as packets_in,
        sum(packets_out)::bigint as packets_out, sum(samples_in)::bigint as samples_in, sum(samples_out)::bigint as samples_out
    from taken group by 1, 2
), late as (
    insert into usage_late as u (service_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
    select * from hours order by 1, 2
    on conflict (service_id, hour) do update set
        bytes_in_l2 = bounded_sum(u.bytes_in_l2, excluded.bytes_in_l2), bytes_out_l2 = bounded_sum(u.bytes_out_l2, excluded.bytes_out_l2),
        bytes_in_l3 = bounded_sum(u.bytes_in_l3, excluded.bytes_in_l3), bytes_out_l3 = bounded_sum(u.bytes_out_l3, excluded.bytes_out_l3),
        packets_in = bounded_sum(u.packets_in, excluded.packets_in), packets_out = bounded_sum(u.packets_out, excluded.packets_out),
        samples_in = bounded_sum(u.samples_in, excluded.samples_in), samples_out = bounded_sum(u.samples_out, excluded.samples_out)
), covered as (
    select c.id as cycle_id, h.* from hours h left join cycle c on c.service_id = h.service_id and tstzrange(c.starts_at, c.ends_at) @> h.hour
), pending as (
    insert into usage_pending as u (meter, service_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out)
    select $3, service_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out
    from covered where cycle_id is null order by 2, 3
    on conflict (meter, service_id, hour) do update set
        bytes_in_l2 = bounded_sum(u.bytes_in_l2, excluded.bytes_in_l2), bytes_out_l2 = bounded_sum(u.bytes_out_l2, excluded.bytes_out_l2),
        bytes_in_l3 = bounded_sum(u.bytes_in_l3, excluded.bytes_in_l3), bytes_out_l3 = bounded_sum(u.bytes_out_l3, excluded.bytes_out_l3),
        packets_in = bounded_sum(u.packets_in, excluded.packets_in), packets_out = bounded_sum(u.packets_out, excluded.packets_out),
        samples_in = bounded_sum(u.samples_in, excluded.samples_in), samples_out = bounded_sum(u.samples_out, excluded.samples_out)
)
select cycle_id, service_id, sum(bytes_in_l2)::bigint, sum(bytes_out_l2)::bigint, sum(bytes_in_l3)::bigint, sum(bytes_out_l3)::bigint,
    sum(packets_in)::bigint, sum(packets_out)::bigint, sum(samples_in)::bigint, sum(samples_out)::bigint, (select count(*) from taken)
from covered group by 1, 2
