"""Reads an exported library for Blender with Blender's own client, and lists what it found.

    python3.13 -m venv blender && blender/bin/pip install 'bpy>=5.2,<5.3'
    (cd .stockroom/manifest && python3 -m http.server 8000 --bind 127.0.0.1) &
    blender/bin/python scripts/read-as-blender.py http://127.0.0.1:8000/ /tmp/library

bpy is a large download, so this is done by hand and not by the tests.
"""

# The client starts a process that reads this file again and has no Blender in it.
if __name__ == "__main__":
    import pathlib
    import sys
    import time

    import bpy  # noqa: F401  (it makes the client's modules importable)
    from _bpy_internal.assets.remote_library import blender_asset_library_openapi as api
    from _bpy_internal.assets.remote_library import json_parsing, listing_downloader

    url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    ended = []
    client = listing_downloader.RemoteAssetListingDownloader(
        remote_url=url,
        local_path=folder,
        on_update_callback=lambda *_: None,
        on_done_callback=lambda *_: ended.append(True),
    )
    client.download_and_process()
    deadline = time.monotonic() + 120
    while not ended and time.monotonic() < deadline:
        client.on_timer_event()
        time.sleep(0.01)
    print(client.status.value, client.error_message)
    place = listing_downloader.RemoteAssetListingLocator(url, folder)
    count = 0
    for path in sorted((folder / "_v1").glob("assets-?????.json")):
        page = json_parsing.ValidatingParser().parse_and_validate(api.AssetLibraryIndexPageV1, path.read_bytes())
        for file in page.files:
            place.asset_download_path(file)
        for asset in page.assets:
            print(asset.id_type, asset.name, asset.files[0], sep="\t")
        count += len(page.assets)
    print(f"{count} assets")
    sys.exit(0 if client.status is listing_downloader.DownloadStatus.FINISHED_SUCCESSFULLY else 1)
