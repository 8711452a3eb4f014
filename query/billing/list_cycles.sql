select c.id, c.service_id, c.starts_at, c.ends_at, c.status, c.quota_bytes, c.byte_basis as basis, c.direction, c.bill_at, c.thresholds,
       c.currency, c.overage_unit_bytes as unit_bytes, trim_scale(c.overage_unit_price)::text as unit_price,
       coalesce(u.bytes_in_l2, 0) as bytes_in_l2, coalesce(u.bytes_out_l2, 0) as bytes_out_l2,
       coalesce(u.bytes_in_l3, 0) as bytes_in_l3, coalesce(u.bytes_out_l3, 0) as bytes_out_l3,
       coalesce(u.samples_in, 0) as samples_in, coalesce(u.samples_out, 0) as samples_out,
       loss.datagrams_lost, loss.samples_lost, loss.records_lost, held.samples_quarantined
from cycle c
join service s on s.id = c.service_id
left join usage_cycle u on u.cycle_id = c.id
cross join lateral (
    select greatest(sum(l.datagrams_lost), 0)::bigint as datagrams_lost, greatest(sum(l.samples_lost), 0)::bigint as samples_lost,
           greatest(sum(l.records_lost), 0)::bigint as records_lost
    from loss_hourly l
    where l.hour >= c.starts_at and l.hour < c.ends_at and (l.datagrams_lost <> 0 or l.samples_lost <> 0 or l.records_lost <> 0)
      and l.exporter_id in (select h.exporter_id from usage_hourly h
                            where h.service_id = c.service_id and h.hour >= c.starts_at and h.hour < c.ends_at)
) loss
cross join lateral (
    select coalesce(sum(q.samples), 0)::bigint as samples_quarantined
    from quarantine_open q
    where q.service_id = c.service_id and q.hour >= c.starts_at and q.hour < c.ends_at
) held
where c.service_id = $2
  and ($1::uuid is null or s.customer_id = $1)
  and ($3::timestamptz is null or c.starts_at < $3)
order by c.starts_at desc
limit $4
