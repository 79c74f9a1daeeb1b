"""Hook of MkDocs: links from a page to files of the repository that are no pages.

On the repository's own pages such a link opens the file. The site holds no source files: there the
link leads to ``repo_url`` if mkdocs.yml gives one, and otherwise only its text stays. A file that
does not exist fails the build.
"""

import re
from pathlib import Path

from mkdocs.plugins import get_plugin_logger

LOG = get_plugin_logger("site")


def on_page_markdown(markdown, page, config, files):
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def link(match):
        text, path = match[1], match[2]
        if re.match(r"[a-z]+:|#", path):
            return match[0]
        target = (folder / path.split("#")[0]).resolve()
        if target.is_relative_to(docs):
            return match[0]
        if not target.exists():
            LOG.warning(f"{page.file.src_uri}: {path} does not exist")
        if not config.repo_url:
            return text
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{target.relative_to(root)})"

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", link, markdown)
