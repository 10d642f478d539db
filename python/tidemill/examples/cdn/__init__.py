"""The main job: the access log of a content delivery network, analysed while it is written.

``generate`` writes the log, ``region`` knows where a client is, and the notebook
``01_cdn_log_analysis.ipynb`` puts them together.
"""
