def runtime_disagreements(x): return []
class Disagreement: pass
