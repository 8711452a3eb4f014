-- The cycles of services $1 that hours from $2 to $3 (exclusive) belong to, with the usage that they have by the books and by
-- corrections that wait.
select c.id, c.service_id, c.starts_at, c.ends_at, c.status, c.byte_basis, c.direction,
    coalesce(sum(u.bytes_in_l2), 0)::bigint, coalesce(sum(u.bytes_out_l2), 0)::bigint, coalesce(sum(u.bytes_in_l3), 0)::bigint, coalesce(sum(u.bytes_out_l3), 0)::bigint
from cycle c
left join lateral (
    select bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3 from usage_hourly h
    where h.service_id = c.service_id and h.hour >= c.starts_at and h.hour < c.ends_at
    union all
    select bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3 from usage_correction x
    where x.service_id = c.service_id and x.hour >= c.starts_at and x.hour < c.ends_at and x.applied_at is null) u on true
where c.service_id = any($1) and c.starts_at < $3 and c.ends_at > $2
group by c.id order by c.service_id, c.starts_at
