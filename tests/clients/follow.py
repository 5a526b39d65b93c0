"""What a reader with docs/clients/stockroom.py gets to see: follow.py CLIENT URL HELD [PUBLIC_KEY]

HELD is a file for what is kept between two visits. Prints one line of JSON.
"""

import importlib.util
import json
import os
import sys

client, url, file, public_key = (sys.argv[1:] + [""])[:4]
spec = importlib.util.spec_from_file_location("stockroom", client)
stockroom = importlib.util.module_from_spec(spec)
sys.dont_write_bytecode = True
spec.loader.exec_module(stockroom)

requests = []
urlopen = stockroom.urllib.request.urlopen


def counting(address, **options):
    requests.append(address.split("/")[-1].split("-")[0])
    return urlopen(address, **options)


stockroom.urllib.request.urlopen = counting
try:
    catalogue = stockroom.open(url, public_key=public_key or None)
    held = json.load(open(file, encoding="utf-8")) if os.path.exists(file) else None
    followed = catalogue.follow(held)
    with open(file, "w", encoding="utf-8") as out:
        json.dump(followed["held"], out)
    seen = list(requests)
    listed = sorted(f"{it['collection']}/{it['id']}" for it in catalogue.list())
    print(
        json.dumps(
            {
                "by": followed["by"],
                "changed": sorted(followed["changed"]),
                "removed": sorted(followed["removed"]),
                "held": sorted(followed["held"]["entries"]),
                "listed": listed,
                "requests": seen,
            }
        )
    )
except Exception as error:
    print(json.dumps({"refused": isinstance(error, stockroom.Refused), "error": str(error)}))
