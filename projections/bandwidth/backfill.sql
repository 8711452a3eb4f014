-- The slots of the $3 minutes that follow minute $1 and service $2, whole minutes only.
with minutes as (
    select distinct date_trunc('minute', slot, 'UTC') as minute, service_id
    from usage_slot
    where slot >= $1 and (date_trunc('minute', slot, 'UTC'), service_id) > ($1, $2)
    order by 1, 2 limit $3
)
select m.minute, s.service_id, s.slot, s.version, s.bytes_in_l2, s.bytes_out_l2, s.bytes_in_l3, s.bytes_out_l3,
    s.packets_in, s.packets_out, s.samples_in, s.samples_out
from minutes m join usage_slot s on s.service_id = m.service_id and s.slot >= m.minute and s.slot < m.minute + interval '1 minute'
order by 1, 2, 3
