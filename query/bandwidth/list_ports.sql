select exporter_id, if_index, name, status & 1 = 1 as admin_up, status & 2 = 2 as oper_up, if_type, least(speed, 9223372036854775807)::bigint as speed, least(octets_in, 9223372036854775807)::bigint as octets_in, least(octets_out, 9223372036854775807)::bigint as octets_out, rate, read_at
from port
where exporter_id = any($1::uuid[])
order by exporter_id, if_index
