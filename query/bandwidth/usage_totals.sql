with used as (
    select h.service_id, h.exporter_id,
           sum(h.bytes_in_l2) as bytes_in_l2, sum(h.bytes_out_l2) as bytes_out_l2,
           sum(h.bytes_in_l3) as bytes_in_l3, sum(h.bytes_out_l3) as bytes_out_l3,
           sum(h.packets_in) as packets_in, sum(h.packets_out) as packets_out, sum(h.samples_in + h.samples_out) as samples
    from usage_hourly h
    where ($3::timestamptz is null or h.hour >= $3) and ($4::timestamptz is null or h.hour < $4)
    group by h.service_id, h.exporter_id
), loss as (
    select l.exporter_id, greatest(sum(l.datagrams_lost), 0) as datagrams_lost, greatest(sum(l.samples_lost), 0) as samples_lost, greatest(sum(l.records_lost), 0) as records_lost
    from loss_hourly l
    where ($3::timestamptz is null or l.hour >= $3) and ($4::timestamptz is null or l.hour < $4)
    group by l.exporter_id
), total as (
    select u.service_id, sum(u.bytes_in_l2) as bytes_in_l2, sum(u.bytes_out_l2) as bytes_out_l2,
           sum(u.bytes_in_l3) as bytes_in_l3, sum(u.bytes_out_l3) as bytes_out_l3,
           sum(u.packets_in) as packets_in, sum(u.packets_out) as packets_out, sum(u.samples) as samples,
           sum(l.datagrams_lost) as datagrams_lost, sum(l.samples_lost) as samples_lost, sum(l.records_lost) as records_lost
    from used u
    left join loss l using (exporter_id)
    group by u.service_id
), held as (
    select q.service_id, sum(q.samples) as samples
    from quarantine_open q
    where ($3::timestamptz is null or q.hour >= $3) and ($4::timestamptz is null or q.hour < $4)
    group by q.service_id
)
select s.name as service,
       coalesce(t.bytes_in_l2, 0)::bigint as bytes_in_l2, coalesce(t.bytes_out_l2, 0)::bigint as bytes_out_l2,
       coalesce(t.bytes_in_l3, 0)::bigint as bytes_in_l3, coalesce(t.bytes_out_l3, 0)::bigint as bytes_out_l3,
       coalesce(t.packets_in, 0)::bigint as packets_in, coalesce(t.packets_out, 0)::bigint as packets_out,
       coalesce(t.samples, 0)::bigint as samples,
       case when t.samples > 0 then round(196 / sqrt(t.samples), 6)::float8
            when t.bytes_in_l2 + t.bytes_out_l2 > 0 then 0 end as error_bound_percent,
       coalesce(t.datagrams_lost, 0)::bigint as datagrams_lost, coalesce(t.samples_lost, 0)::bigint as samples_lost,
       coalesce(t.records_lost, 0)::bigint as records_lost, coalesce(q.samples, 0)::bigint as samples_quarantined
from service s
left join total t on t.service_id = s.id
left join held q on q.service_id = s.id
where ($1::uuid is null or s.customer_id = $1)
  and (cardinality($2::text[]) = 0 or s.name = any($2))
order by s.name
