-- What isolates ask every few seconds, for all their rooms and users: mostly nothing has changed, and then the answer is
-- as good as empty.

-- Names the rooms and roles of a user: an equal digest means that nothing has changed.
create function edge_sockets.rooms_digest(member uuid) returns text
language sql stable set search_path = ''
return (
  select count(*) || ':' || coalesce(sum(hashtextextended(rm.room_id || ' ' || rm.role, 0)), 0)
  from public.room_members rm where rm.user_id = rooms_digest.member
);

-- Of the logs that stood at heads[i] of epochs[i]: those that do not. Of the users whose rooms had digests[i]: the rooms
-- of those that have another. One snapshot for all.
create function public.chat_changes(rooms text[], epochs text[], heads bigint[], users uuid[], digests text[])
  returns json
language plpgsql stable security definer set search_path = ''
  set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
  perform edge_sockets.require_server();
  return json_build_object(
    'heads', coalesce((
      select json_object_agg(r.id, json_build_object('epoch', r.epoch, 'head', r.head))
      from unnest(chat_changes.rooms, chat_changes.epochs, chat_changes.heads) as known (id, epoch, head)
      join public.rooms r on r.id = known.id
      where r.head is distinct from known.head or r.epoch is distinct from known.epoch
    ), '{}'),
    'users', coalesce((
      select json_object_agg(u.id, json_build_object('digest', u.digest, 'rooms', coalesce((
        select json_agg(edge_sockets.view_json(r, rm.role) order by r.id)
        from public.room_members rm join public.rooms r on r.id = rm.room_id
        where rm.user_id = u.id
      ), '[]')))
      from (
        select known.id, known.digest as before, edge_sockets.rooms_digest(known.id) as digest
        from unnest(chat_changes.users, chat_changes.digests) as known (id, digest)
      ) as u
      where u.digest is distinct from u.before
    ), '{}')
  );
end $$;

revoke all on function edge_sockets.rooms_digest(uuid) from public, anon, authenticated, service_role;
revoke all on function public.chat_changes(text[], text[], bigint[], uuid[], text[])
  from public, anon, authenticated, service_role;
grant execute on function public.chat_changes(text[], text[], bigint[], uuid[], text[]) to service_role;
