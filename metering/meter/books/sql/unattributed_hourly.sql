-- Addresses that are new in their exporter's hour are let in, the largest first, while there are fewer than $8 in it;
-- the others are gathered under '::'.
with fresh as (
    select * from unnest($1::uuid[], $2::timestamptz[], $3::inet[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        as f (exporter_id, hour, address, bytes_l2, bytes_l3, packets, samples)
), room as (
    select h.exporter_id, h.hour, $8 - count(u.address) as room
    from (select distinct exporter_id, hour from fresh) h left join unattributed_hourly u using (exporter_id, hour)
    group by 1, 2
), ranked as (
    select f.*, u.address is not null as known,
        row_number() over (partition by f.exporter_id, f.hour, u.address is not null order by f.bytes_l2 desc, f.address) as rank
    from fresh f left join unattributed_hourly u using (exporter_id, hour, address)
)
insert into unattributed_hourly as t (exporter_id, hour, address, bytes_l2, bytes_l3, packets, samples)
select exporter_id, hour, case when known or rank <= room then address else '::' end,
    sum(bytes_l2), sum(bytes_l3), sum(packets), sum(samples)
from ranked join room using (exporter_id, hour)
group by 1, 2, 3 order by 1, 2, 3
on conflict (exporter_id, hour, address) do update set
    bytes_l2 = bounded_sum(t.bytes_l2, excluded.bytes_l2), bytes_l3 = bounded_sum(t.bytes_l3, excluded.bytes_l3),
    packets = bounded_sum(t.packets, excluded.packets), samples = bounded_sum(t.samples, excluded.samples)
