select a.id, s.seq as sequence, a.at, a.actor, a.command, a.aggregate_type, a.aggregate_id, nullif(a.request_id, '') as request_id,
       host(a.ip) as ip, a.user_agent, a.input, a.outcome, a.before, a.after, a.salt is null as erased
from audit a
left join audit_seal s on s.audit_id = a.id
where ($1::timestamptz is null or (a.at, a.id) < ($1, $2::bigint))%s
order by a.at desc, a.id desc
limit $3
