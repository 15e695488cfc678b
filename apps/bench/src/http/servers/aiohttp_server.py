"""aiohttp, as its documentation writes it. Needs `pip install aiohttp`."""
import asyncio
import sys
import time

from aiohttp import web


async def user(request):
    return web.json_response({"id": request.match_info["id"], "name": "Ann", "roles": ["reader", "writer"]})


async def echo(request):
    return web.json_response(await request.json())


async def cpu(request):
    return web.json_response(round(time.process_time() * 1e6))


async def main():
    app = web.Application()
    app.add_routes([web.get("/users/{id}", user), web.post("/json", echo), web.get("/cpu", cpu)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


asyncio.run(main())
