insert into exporter_seen as s (exporter_id, first_at, last_at, agent, sub_agents)
select * from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::inet[], $5::int[]) order by 1
on conflict (exporter_id) do update set
    first_at = least(s.first_at, excluded.first_at), last_at = greatest(s.last_at, excluded.last_at),
    agent = case when excluded.last_at >= s.last_at then excluded.agent else s.agent end,
    sub_agents = greatest(s.sub_agents, excluded.sub_agents)
