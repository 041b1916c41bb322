"""The page around Netron: its assets and version check, the packer that joins our modules, the document."""
