"""A real browser (Debian's Chromium, headless) that a test steers: one JSON command for each line, one answer for each.

  {"go": URL}            goes there
  {"until": EXPRESSION}  waits until it is true in the page, whichever page that then is
  {"run": EXPRESSION}    its value in the page

Ends with standard input. Arguments: a directory of its own, and what names of hosts mean (`MAP shop.test 127.0.0.1`).
"""
import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request

import websockets

PATIENCE = 40


async def page(directory):
    """The debugging address of the one tab."""
    end = time.monotonic() + PATIENCE
    port_file = os.path.join(directory, 'DevToolsActivePort')
    while time.monotonic() < end:
        try:
            port = int(open(port_file).readline())
            listed = json.load(urllib.request.urlopen(f'http://127.0.0.1:{port}/json/list', timeout=5))
            tabs = [target for target in listed if target['type'] == 'page']
            if tabs:
                return tabs[0]['webSocketDebuggerUrl']
        except (OSError, ValueError):
            pass
        await asyncio.sleep(0.05)
    raise SystemExit('chromium did not start')


class Tab:
    def __init__(self, socket):
        self.socket, self.last = socket, 0

    async def call(self, method, **parameters):
        self.last += 1
        await self.socket.send(json.dumps({'id': self.last, 'method': method, 'params': parameters}))
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))
            if message.get('id') == self.last:
                return message

    async def value(self, expression):
        """None where the page is just going away."""
        answer = await self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        return answer.get('result', {}).get('result', {}).get('value')

    async def until(self, expression):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if await self.value(f"document.readyState === 'complete' && !!({expression})"):
                return True
            await asyncio.sleep(0.05)
        shown = await self.value("location.href + '\\n' + document.body.innerText")
        return f'waited in vain until {expression}; the page is {shown}'


async def main():
    directory, hosts = sys.argv[1:3]
    browser = subprocess.Popen(
        ['chromium', '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
         '--remote-debugging-port=0', f'--user-data-dir={directory}', '--ignore-certificate-errors',
         f'--host-resolver-rules={hosts}', 'about:blank'],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with websockets.connect(await page(directory), max_size=None) as socket:
            tab = Tab(socket)
            loop = asyncio.get_running_loop()
            while line := await loop.run_in_executor(None, sys.stdin.readline):
                command = json.loads(line)
                if 'go' in command:
                    answer = (await tab.call('Page.navigate', url=command['go']))['result'].get('errorText', True)
                elif 'until' in command:
                    answer = await tab.until(command['until'])
                else:
                    answer = await tab.value(command['run'])
                print(json.dumps(answer), flush=True)
    finally:
        browser.terminate()
        browser.wait()


asyncio.run(main())
