-- The slots of the minutes $2 of the services $1.
select s.service_id, s.slot, s.version, s.bytes_in_l2, s.bytes_out_l2, s.bytes_in_l3, s.bytes_out_l3, s.packets_in, s.packets_out, s.samples_in, s.samples_out
from unnest($1::uuid[], $2::timestamptz[]) as m (service_id, minute)
join usage_slot s on s.service_id = m.service_id and s.slot >= m.minute and s.slot < m.minute + interval '1 minute'
order by s.service_id, s.slot
